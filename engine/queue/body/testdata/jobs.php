<?php

// Dispatches jobs with the Laravel that is installed: php jobs.php CONNECTION CASE. CONNECTION is JSON, an entry of
// connections in config/queue.php; for redis, its member "redis" is that of config/database.php. CASE is one of those in
// cases(), or "all" for every one of them, in their order. For each it prints a line: its name and the id of its job. Jobs
// that have to be encrypted are, with a key that nobody keeps.

namespace {
    error_reporting(E_ALL & ~E_DEPRECATED);
    ini_set('display_errors', 'stderr');
    require_once 'Illuminate/autoload.php';
    require_once 'Pheanstalk/autoload.php';
}

namespace ArtisanSDK\Server\Entities {
    use Illuminate\Bus\Queueable;
    use Illuminate\Contracts\Queue\ShouldQueue;
    use Illuminate\Support\Fluent;

    // A command as applications of artisansdk/server have them: a Fluent that can be queued.
    abstract class Command extends Fluent implements ShouldQueue
    {
        use Queueable;

        protected $dispatcher;

        public function __construct(array $arguments = [])
        {
            $this->delay = 0;
        }
    }
}

namespace App\Giveaway\Commands {
    use ArtisanSDK\Server\Entities\Command;

    class AddPrize extends Command
    {
        public function __construct(array $arguments = [])
        {
            $this->prize = $arguments['prize'] ?? [];
        }
    }

    class ResetPrizes extends Command
    {
    }

    class RegisterConnection extends Command
    {
        public function __construct(array $arguments = [])
        {
            $this->connection = $arguments['connection'] ?? [];
        }
    }

    class CloseConnections extends Command
    {
        public function __construct(array $arguments = [])
        {
            $this->uuid = $arguments['uuid'] ?? null;
            $this->type = $arguments['type'] ?? null;
        }
    }

    class NotifyConnection extends Command
    {
        public function __construct(array $arguments = [])
        {
            parent::__construct($arguments);
            $this->receiver = $arguments['receiver'] ?? null;
            $this->sender = $arguments['sender'] ?? null;
        }
    }
}

namespace App\Jobs {
    use Illuminate\Bus\Batchable;
    use Illuminate\Bus\Queueable;
    use Illuminate\Contracts\Queue\ShouldBeEncrypted;
    use Illuminate\Contracts\Queue\ShouldQueue;
    use Illuminate\Foundation\Bus\Dispatchable;
    use Illuminate\Queue\InteractsWithQueue;
    use Illuminate\Queue\SerializesModels;

    enum Size: string
    {
        case Large = 'L';
    }

    class Sponsor
    {
        private $name;
        protected $web;
        public $since;

        public function __construct($name, $web, $since)
        {
            [$this->name, $this->web, $this->since] = [$name, $web, $since];
        }
    }

    // As `php artisan make:job` writes it.
    class AddPrize implements ShouldQueue
    {
        use Dispatchable, InteractsWithQueue, Queueable, SerializesModels;

        public $tries = 7;
        public $timeout = 45;
        public $name;
        protected $sponsor;
        private $secret = 3;

        public function __construct($name, $sponsor)
        {
            [$this->name, $this->sponsor] = [$name, $sponsor];
        }
    }

    // A job of any value, without the traits that handle models.
    class Anything implements ShouldQueue
    {
        use Queueable;

        public $value;

        public function __construct($value)
        {
            $this->value = $value;
        }
    }

    class Counted extends Anything
    {
        use Batchable;
    }

    class Secret extends Anything implements ShouldBeEncrypted
    {
    }

    class Model implements \Illuminate\Contracts\Queue\QueueableEntity
    {
        public function getQueueableId()
        {
            return 12;
        }

        public function getQueueableRelations()
        {
            return ['sponsor'];
        }

        public function getQueueableConnection()
        {
            return 'mysql';
        }
    }

    // Writes itself, as SplObjectStorage and others did before PHP 7.4.
    class Custom implements \Serializable
    {
        public $text;

        public function __construct($text)
        {
            $this->text = $text;
        }

        public function serialize()
        {
            return $this->text;
        }

        public function unserialize($text)
        {
            $this->text = $text;
        }
    }

    class Nested extends Custom
    {
        public function serialize()
        {
            return serialize($this->text);
        }
    }

    class PrizeAdded
    {
        use \Illuminate\Broadcasting\InteractsWithSockets;

        public $prize;
        public $queue = 'prizes';

        public function __construct($prize)
        {
            $this->prize = $prize;
        }
    }
}

namespace {
    use App\Giveaway\Commands as Giveaway;
    use App\Jobs;
    use Illuminate\Bus\Dispatcher;
    use Illuminate\Container\Container;
    use Illuminate\Contracts\Encryption\Encrypter as EncrypterContract;
    use Illuminate\Encryption\Encrypter;
    use Illuminate\Events\CallQueuedListener;
    use Illuminate\Queue\Capsule\Manager;
    use Illuminate\Queue\Connectors\BeanstalkdConnector;
    use Illuminate\Queue\Connectors\RedisConnector;
    use Illuminate\Redis\RedisManager;
    use Illuminate\Support\Fluent;

    function cases(): array
    {
        $mug = ['name' => 'Mug', 'sponsor' => 'Acme'];
        $shared = new Jobs\Sponsor('Acme', null, 1999);
        $loop = new stdClass();
        $loop->self = $loop;
        $twice = 'again';

        return [
            // Commands of artisansdk/server.
            'fluent' => new Giveaway\AddPrize(['prize' => $mug]),
            'fluent_empty' => new Giveaway\ResetPrizes(),
            'fluent_connection' => new Giveaway\RegisterConnection(['connection' => ['uuid' => 'u-1', 'type' => 'player']]),
            'fluent_nulls' => new Giveaway\CloseConnections(['type' => 'player']),
            'fluent_delay' => new Giveaway\NotifyConnection(['sender' => 'u-1', 'receiver' => 'u-2']),
            // Jobs of Laravel.
            'job' => new Jobs\AddPrize('Mug', 'Acme'),
            'job_delayed' => (new Jobs\AddPrize('Mug', 'Acme'))->delay(1),
            'job_private' => new Jobs\AddPrize('Mug', new Jobs\Sponsor('Acme', 'acme.example', null)),
            'job_model' => new Jobs\AddPrize('Mug', new Jobs\Model()),
            'unicode' => new Jobs\Anything("Tasse für Zoë 😀 \"'\\/\n\u{0}"),
            'numbers' => new Jobs\Anything([0, -5, PHP_INT_MAX, PHP_INT_MIN, 0.1, -2.5, 1.0, 1.0e25, 1e-9, true, false, null]),
            'arrays' => new Jobs\Anything(['list' => ['a', ['b']], 'map' => [1 => 'x', 2 => 'y'], '7' => 'n', '' => [], 'o' => (object) []]),
            'objects' => new Jobs\Anything([new Fluent(['a' => 1]), new Fluent(), collect(['b', 'c']), collect(), Illuminate\Support\Str::of('text')]),
            'enum' => new Jobs\Anything(['first' => Jobs\Size::Large, 'second' => Jobs\Size::Large]),
            'date' => new Jobs\Anything(new DateTimeImmutable('2026-11-23 04:00:00', new DateTimeZone('UTC'))),
            'shared' => new Jobs\Anything([$shared, [&$twice, &$twice], $shared, $shared]),
            'nested' => new Jobs\Anything([new Jobs\Nested(['x' => $shared]), $shared]),
            // What cannot be done.
            'custom' => new Jobs\Anything(new Jobs\Custom('x|1;2')),
            'custom_shared' => new Jobs\Anything([new Jobs\Custom('x|1;2'), $shared, $shared]),
            'loop' => new Jobs\Anything($loop),
            'infinite' => new Jobs\Anything(INF),
            'chained' => (new Jobs\Anything(1))->chain([new Jobs\Anything(2)]),
            'batch' => (new Jobs\Counted(1))->withBatchId('b-1'),
            'encrypted' => new Jobs\Secret('secret'),
            'closure' => fn () => 1,
            'notification' => new Illuminate\Notifications\SendQueuedNotifications(collect(), new Illuminate\Notifications\Notification()),
            // Events.
            'broadcast' => new Illuminate\Broadcasting\BroadcastEvent(new Jobs\PrizeAdded($mug)),
            'listener' => new CallQueuedListener('App\Listeners\TellPlayers', 'handle', [new Jobs\PrizeAdded($mug)]),
            'listener_method' => new CallQueuedListener('App\Listeners\TellPlayers', 'onPrize', ['prize.added', [1, $mug]]),
            // Jobs by their name.
            'string' => ['AddPrize', $mug],
            'string_class' => ['App\Jobs\AddPrize@handle', ['prize' => $mug]],
            'string_method' => ['App\Jobs\Prizes@add', ['prize' => $mug]],
            'string_empty' => ['ResetPrizes', ''],
            'raw' => '{"job": "AddPrize", "data": {"prize": {"name": "Mug", "sponsor": "Acme"}}}',
        ];
    }

    function main(array $connection, string $case): void
    {
        $container = new Container();
        Container::setInstance($container);
        $container->instance(EncrypterContract::class, new Encrypter(random_bytes(32), 'AES-256-CBC'));

        $manager = new Manager($container);
        $manager->getQueueManager()->addConnector('beanstalkd', fn () => new BeanstalkdConnector());
        $manager->getQueueManager()->addConnector('redis', fn () => new RedisConnector(
            new RedisManager($container, 'phpredis', $connection['redis']),
            'default'
        ));
        $manager->addConnection($connection);
        $queue = $manager->getConnection();
        $bus = new Dispatcher($container, fn () => $queue);

        $cases = $case === 'all' ? cases() : array_intersect_key(cases(), [$case => 1]);
        if (!$cases) {
            fwrite(STDERR, "jobs.php: there is no such case\n");
            exit(2);
        }
        foreach ($cases as $name => $job) {
            $id = match (true) {
                is_string($job) => $queue->pushRaw($job),
                is_array($job) => $queue->push(...$job),
                $job instanceof Closure => $queue->push($job),
                default => $bus->dispatchToQueue($job),
            };
            echo $name, ' ', is_object($id) ? $id->getId() : $id, "\n";
        }
    }

    if ($argc !== 3) {
        fwrite(STDERR, "usage: php jobs.php CONNECTION CASE\n");
        exit(2);
    }
    main(json_decode($argv[1], true, 512, JSON_THROW_ON_ERROR), $argv[2]);
}
