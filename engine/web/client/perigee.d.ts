/** A message of the server: its fields, and those that every message has. */
export type Message<Fields = Record<string, any>> = Fields & {
  name: string;
  /** A UUID. */
  id: string;
  /** Seconds since 1970. */
  timestamp: number;
  /** What the message answers: in most cases the id of a message of this client. */
  previous?: unknown;
};

/** Fields of messages by the name of the message. */
export type Messages = { [name: string]: any };

/** Why an `ask` has no answer. */
export class AskError extends Error {
  constructor(exception: string, message?: string, code?: number);
  /**
   * A word of the server's `MessageException`, or `"PromptForAuthentication"`, or one of the library's own: `"Timeout"`;
   * `"NotSent"`, when too many messages wait or the connection is closed; `"Lost"`, when the connection was lost and the
   * server may have handled the message or not; `"Closed"`.
   */
  exception: string;
  /** A number like those of HTTP, if the server has given one. */
  code?: number;
}

/** What has become of the connection. */
export interface Link {
  /** `waiting` connects again by itself; `closed` does not. */
  state: "connecting" | "open" | "waiting" | "closed";
  /** Of `waiting` and `closed`: the close code, 1006 if there was none, and the server's reason. */
  code?: number;
  reason?: string;
  /** Of `waiting`: when it connects again, in milliseconds since 1970. */
  retryAt?: number;
  /**
   * Of `open`: true if the connection was resumed and nothing was missed; false if it was resumed by a page that was loaded
   * anew, or too much was missed, and the server sends again what a new page needs; undefined if the connection is new.
   */
  complete?: boolean;
  /** Of `open`: whether it can be resumed. */
  resumable?: boolean;
}

export interface Options {
  /** The server. By default it is beside the page. An address that begins with `http` works too. */
  url?: string | URL;
  /** Subprotocols to offer. */
  protocols?: string[];
  /** Whether to go on where a lost connection stopped; true by default. */
  resume?: boolean;
  /** How many messages wait while there is no connection; 64 by default. */
  queue?: number;
  /** How long `ask` waits for an answer, in milliseconds; 0 is for ever. By default 10,000. */
  timeout?: number;
  /** Returns how long to wait before connecting again, in milliseconds, or undefined to stay closed. */
  retry?: (code: number, failures: number) => number | undefined;
  /** For programs without a WebSocket of their own, such as Node before version 22. */
  WebSocket?: new (url: URL, protocols: string[]) => any;
}

export interface AskOptions {
  /** In milliseconds; 0 is for ever. */
  timeout?: number;
  /** Gives up when it is aborted. */
  signal?: AbortSignal;
}

/**
 * A connection that comes back by itself. `Incoming` has the fields of the messages that the server sends by their names,
 * `Outgoing` those of the messages that it takes.
 */
export interface Connection<Incoming extends Messages = Messages, Outgoing extends Messages = Messages> {
  readonly state: Link["state"];
  /**
   * Sends a message, or has it wait for a connection. Returns false if it did neither: the connection is closed, or too many
   * messages wait. Fields cannot be called `id` or `name`.
   */
  send<Name extends keyof Outgoing & string>(name: Name, fields?: Outgoing[Name]): boolean;
  /**
   * Sends a message and returns its answer: what the server sends with `client:reply`. Rejects with an `AskError`, or with the
   * reason of the signal.
   */
  ask<Name extends keyof Outgoing & string, Answer = Record<string, any>>(
    name: Name,
    fields?: Outgoing[Name],
    options?: AskOptions,
  ): Promise<Message<Answer>>;
  /** Calls a function with each message of that name that is not the answer to an `ask`. Returns a function that ends this. */
  on<Name extends keyof Incoming & string>(name: Name, fn: (message: Message<Incoming[Name]>) => void): () => void;
  /** The same for messages of every name. */
  on(name: "*", fn: (message: Message) => void): () => void;
  /** Calls a function with the present state and with each later one. Returns a function that ends this. */
  onState(fn: (link: Link) => void): () => void;
  /** Subscribes to a topic, and again whenever the connection is new. Returns a function that ends the subscription. */
  subscribe(topic: string): () => void;
  /** Connects now if it waits or is closed. */
  open(): void;
  /** Closes the connection for good, and rejects what is asked. */
  close(): void;
}

/** Connects, and connects again whenever the connection is lost. */
export function connect<Incoming extends Messages = Messages, Outgoing extends Messages = Messages>(
  options?: Options,
): Connection<Incoming, Outgoing>;

/**
 * The default of `Options.retry`: 1 to 5 s if the server stops, 30 s if the client sent too much, otherwise a second, doubling
 * up to 30 s, with chance. Undefined after closes that are meant: by the client, by a script, for an error of the client.
 */
export function retryDelay(code: number, failures: number): number | undefined;
