<?php

// A minimal Laravel application for scripts that dispatch jobs. In the working directory, app/ holds its classes, and
// config/queue.php configures its queue and config/database.php, if there is one, Redis.
// php -d auto_prepend_file=laravel.php SCRIPT

error_reporting(E_ALL & ~E_DEPRECATED);
ini_set('display_errors', 'stderr');
require_once 'Illuminate/autoload.php';
require_once 'Pheanstalk/autoload.php';

spl_autoload_register(function (string $class): void {
    $file = 'app/' . str_replace('\\', '/', substr($class, strlen('App\\'))) . '.php';
    if (str_starts_with($class, 'App\\') && is_file($file)) {
        require $file;
    }
});

(function (): void {
    $app = new Illuminate\Foundation\Application(getcwd());
    $config = ['queue' => require 'config/queue.php'];
    if (is_file('config/database.php')) {
        $config['database'] = require 'config/database.php';
    }
    $app->instance('config', new Illuminate\Config\Repository($config));
    Illuminate\Support\Facades\Facade::setFacadeApplication($app);
    $app->register(Illuminate\Redis\RedisServiceProvider::class);
    $app->register(Illuminate\Queue\QueueServiceProvider::class);
    $app->register(Illuminate\Bus\BusServiceProvider::class);
    $app->boot();
})();
