package engine

// ballast is how many bytes of heap a server holds that nobody ever touches. The collector begins when the heap has
// doubled, and goes over the stacks of all readers each time: where scripts and clients hold a few megabytes, that would be
// after every thousand or two of messages, and take a quarter of the time that these take. With it 16 MiB of garbage gather at
// least. The machine has no memory to give for it, since no page of it is ever written.
const ballast = 16 << 20
