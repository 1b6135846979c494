// Requests to the server; a refusal is an error with the server's own line.

const ROOT = "/api/v1";

export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function request(method, path, options = {}) {
  let answer;
  try {
    answer = await fetch(ROOT + path, { method, ...options });
  } catch {
    throw new Refusal("The studio does not answer; is it still running?", 0);
  }
  if (answer.ok) return answer.status === 204 ? answer.headers.get("Location")?.slice(ROOT.length) : answer.json();
  const body = await answer.json().catch(() => null);
  throw new Refusal(body?.error?.message ?? `the studio answered ${answer.status}`, answer.status);
}

export const get = (path) => request("GET", path);
export const remove = (path) => request("DELETE", path);
export const post = (path, body = {}, headers = {}, signal = undefined) =>
  request("POST", path, { signal, body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } });

// Post what must not be done twice: once more where the connection was cut.
export async function postOnce(path, body) {
  const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  try {
    return await post(path, body, { "Idempotency-Key": key });
  } catch (error) {
    if (error.status !== 0) throw error;
    return post(path, body, { "Idempotency-Key": key });
  }
}

export function upload(file, path = "/pictures") {
  const body = new FormData();
  body.append("file", file);
  return request("POST", path, { body });
}
