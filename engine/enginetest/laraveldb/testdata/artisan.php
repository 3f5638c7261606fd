<?php

// A Laravel application with the jobs of its queue in a database: php artisan.php DSN COMMAND ARGUMENTS. The commands are
// migrate, which makes the tables as queue:table and queue:failed-table do; dispatch NAME SECONDS, which dispatches the job
// AddPrize with a prize, delayed if there are seconds; and those of Laravel's artisan about failed jobs.

namespace App\Jobs {
    error_reporting(E_ALL & ~E_DEPRECATED);
    ini_set('display_errors', 'stderr');
    require_once 'Illuminate/autoload.php';

    use Illuminate\Bus\Queueable;
    use Illuminate\Contracts\Queue\ShouldQueue;
    use Illuminate\Foundation\Bus\Dispatchable;

    class AddPrize implements ShouldQueue
    {
        use Dispatchable, Queueable;

        public $prize;

        public function __construct(array $prize)
        {
            $this->prize = $prize;
        }
    }

    class Unknown extends AddPrize
    {
    }
}

namespace {
    use Illuminate\Queue\Console;
    use Illuminate\Support\Facades\Facade;

    [, $dsn, $command] = $argv;
    $arguments = array_slice($argv, 3);
    $scheme = strstr($dsn, ':', true);
    $url = $scheme === 'sqlite' ? [] : parse_url($dsn);
    $database = [
        'driver' => ['postgres' => 'pgsql', 'mysql' => 'mysql', 'sqlite' => 'sqlite'][$scheme],
        'host' => $url['host'] ?? '',
        'port' => $url['port'] ?? '',
        'username' => $url['user'] ?? '',
        'password' => $url['pass'] ?? '',
        'database' => $url ? substr($url['path'], 1) : substr($dsn, strlen('sqlite://')),
        'charset' => $scheme === 'mysql' ? 'utf8mb4' : 'utf8',
        'collation' => 'utf8mb4_unicode_ci',
        'prefix' => '',
        'schema' => 'public',
        'strict' => true,
    ];
    $app = new Illuminate\Foundation\Application(sys_get_temp_dir());
    $app->instance('config', new Illuminate\Config\Repository([
        'database' => ['default' => 'app', 'connections' => ['app' => $database]],
        'queue' => [
            'default' => 'database',
            'connections' => [
                'database' => ['driver' => 'database', 'table' => 'jobs', 'queue' => 'default', 'retry_after' => 90],
            ],
            'failed' => ['driver' => 'database-uuids', 'database' => 'app', 'table' => 'failed_jobs'],
        ],
    ]));
    Facade::setFacadeApplication($app);
    foreach ([
        Illuminate\Database\DatabaseServiceProvider::class,
        Illuminate\Queue\QueueServiceProvider::class,
        Illuminate\Bus\BusServiceProvider::class,
    ] as $provider) {
        $app->register($provider);
    }
    $app->boot();

    switch ($command) {
        case 'migrate':
            foreach (['jobs' => 'Jobs', 'failed_jobs' => 'FailedJobs'] as $table => $class) {
                $stub = file_get_contents(dirname((new ReflectionClass(Console\TableCommand::class))->getFileName()) . "/stubs/$table.stub");
                eval('?>' . str_replace(['{{table}}', '{{tableClassName}}'], [$table, $class], $stub));
                $migration = "Create{$class}Table";
                (new $migration)->up();
            }
            break;
        case 'dispatch':
            $class = 'App\Jobs\\' . $arguments[0];
            $class::dispatch(['name' => 'Mug', 'sponsor' => 'Acme'])->delay((int) ($arguments[1] ?? 0) ?: null);
            break;
        default:
            $artisan = new Illuminate\Console\Application($app, $app['events'], '8');
            $artisan->resolveCommands([Console\ListFailedCommand::class, Console\RetryCommand::class, Console\ForgetFailedCommand::class]);
            exit($artisan->run(new Symfony\Component\Console\Input\ArgvInput(array_merge(['artisan', $command], $arguments))));
    }
}
