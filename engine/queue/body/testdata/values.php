<?php

// Prints the bodies of jobs with random data: php values.php SEED COUNT. Each line is a JSON object: "Body", as Laravel
// writes it, and "JSON", what PHP's own json_encode() makes of the job's properties.

class Job
{
    public $value;
    public $list = [];
}

// A value, so many levels deep at most. Objects and references that were made before may come again.
function value(int $depth, array &$made)
{
    switch (mt_rand(0, $depth > 0 ? 12 : 7)) {
        case 0:
            return null;
        case 1:
            return (bool) mt_rand(0, 1);
        case 2:
            return mt_rand(-5, 5);
        case 3:
            return (mt_rand() << 32 | mt_rand()) * (mt_rand(0, 1) ? 1 : -1);
        case 4:
            return mt_rand(-1000, 1000) / 8 * 10 ** mt_rand(-20, 20);
        case 5:
            return ['', 'é', '😀', '";i:1;}', "\u{0}*\u{0}x", "\u{2028}\\/", '0', 'O:1:"A"'][mt_rand(0, 7)];
        case 6:
        case 7:
            return $made ? $made[array_rand($made)] : 'none';
        case 8:
            return array_map(fn () => value($depth - 1, $made), range(1, mt_rand(1, 4)));
        case 9:
            return array_combine(['b', 'a', -1, '01', 5], array_map(fn () => value($depth - 1, $made), range(1, 5)));
        case 10:
            $shared = value($depth - 1, $made);
            return [&$shared, mt_rand(), &$shared];
        case 11:
            return [];
        default:
            $object = new stdClass();
            foreach (['x', 'é', '7'] as $name) {
                $object->$name = value($depth - 1, $made);
            }
            $made[] = $object;
            return $object;
    }
}

mt_srand((int) $argv[1]);
for ($i = 0; $i < (int) $argv[2]; $i++) {
    $made = [];
    $job = new Job();
    $job->value = value(4, $made) ?? 0;
    for ($n = mt_rand(0, 5); $n > 0; $n--) {
        $job->list[] = value(3, $made);
    }
    $body = json_encode([
        'job' => 'Illuminate\\Queue\\CallQueuedHandler@call',
        'data' => ['commandName' => 'Job', 'command' => serialize($job)],
    ]);
    echo json_encode(['Body' => $body, 'JSON' => json_encode($job)]), "\n";
}
