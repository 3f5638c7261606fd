package engine

// heapPadding is how many bytes of unused heap a server allocates. The garbage collector starts when the heap has doubled, and
// scans the stacks of all readers each time. If scripts and clients use only a few megabytes, that would be after every thousand
// or two of messages, and take a quarter of their time. With the padding at least 16 MiB of garbage accumulates first. It uses no
// memory, since no page of it is ever written.
const heapPadding = 16 << 20
