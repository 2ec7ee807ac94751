/** Calls of the app's own API. The key travels in a header and is nowhere else. */

const VERSION = "v1.1-preview.3";
const PATIENCE = 20_000;

/**
 * A call as it was sent and answered; status 0 means that no answer came.
 *
 * @typedef {object} Call
 * @property {string} method
 * @property {string} path
 * @property {unknown} body
 * @property {number} status
 * @property {number} milliseconds
 * @property {any} answer
 */

/** A call that did not succeed; the message is the app's own. */
export class ApiError extends Error {
  /** @param {number} status 0 without an answer @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** Whether the key was refused. */
  get unauthorized() {
    return this.status === 401;
  }
}

/** One loop, opened with a key. */
export class Api {
  #key;

  /**
   * @param {string} key
   * @param {string} loop
   * @param {(call: Call) => void} observe is told of every call when it is over
   */
  constructor(key, loop, observe = () => {}) {
    this.#key = key;
    this.loop = loop;
    this.observe = observe;
  }

  /**
   * Call an operation of the Personalizer API on the loop; the default loop is at the root.
   *
   * @param {string} method
   * @param {string} operation such as `rank`
   * @param {unknown} [body]
   */
  personalizer(method, operation, body) {
    const prefix = this.loop === "default" ? "" : `loops/${this.loop}/`;
    return this.send(method, `${prefix}personalizer/${VERSION}/${operation}`, body);
  }

  /**
   * Read something of the loop.
   *
   * @param {string} what such as `metrics`
   * @param {Record<string, string>} parameters
   */
  read(what, parameters = {}) {
    const query = new URLSearchParams(parameters).toString();
    return this.send("GET", `loops/${this.loop}/${what}${query && `?${query}`}`);
  }

  /** The names of the app's loops; only a key of the app may see them. @returns {Promise<string[]>} */
  async loops() {
    const { loops } = await this.send("GET", "loops");
    return loops.map((/** @type {{name: string}} */ { name }) => name);
  }

  /**
   * Send a request and return the decoded answer.
   *
   * @param {string} method
   * @param {string} path relative to the app
   * @param {unknown} [body]
   * @returns {Promise<any>}
   * @throws {ApiError} the app did not answer, or not with success
   */
  async send(method, path, body) {
    const started = performance.now();
    let status = 0;
    let answer = null;
    try {
      const response = await fetch(path, {
        method,
        headers: {
          "Ocp-Apim-Subscription-Key": this.#key,
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE),
      });
      const text = await response.text();
      status = response.status;
      answer = text ? JSON.parse(text) : null;
    } catch {
      throw new ApiError(0, "The app did not answer.");
    } finally {
      const milliseconds = performance.now() - started;
      this.observe({ method, path: `/${path}`, body, status, milliseconds, answer });
    }
    if (status >= 400) throw new ApiError(status, answer?.error?.message ?? `The app answered ${status}.`);
    return answer;
  }
}
