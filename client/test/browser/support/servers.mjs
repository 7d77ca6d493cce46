// Real servers on free ports: redis-server and the gateway.
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BINARY =
  process.env.CAMPANILE_BIN ?? fileURLToPath(new URL('../../../../target/debug/campanile', import.meta.url));
const SECRET = 'a secret for tests that is long enough';
export const KEY = 'a-publish-key-for-tests';
/** Longer than any busy machine needs; who is in time does not wait for it. */
export const PATIENCE_MS = 60_000;

export async function until(what, probe, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${patience} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

const running = new Set();
// A run that is broken off leaves nothing behind.
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

function run(command, args, env = {}) {
  const child = spawn(command, args, { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
  running.add(child.on('exit', () => running.delete(child)));
  let log = '';
  child.stderr.on('data', (text) => (log = (log + text).slice(-4000)));
  child.on('error', (error) => (log += error.message));
  const exited = new Promise((resolve) => child.on('exit', resolve).on('error', resolve));
  const stop = async (signal = 'SIGKILL') => {
    child.kill(signal);
    await exited;
  };
  return { child, stop, log: () => log };
}

export class Redis {
  #port;
  #folder = mkdtempSync(join(tmpdir(), 'campanile-redis-'));
  #process;

  static async start() {
    const redis = new Redis();
    redis.#port = await freePort();
    await redis.run();
    return redis;
  }

  get url() {
    return `redis://127.0.0.1:${this.#port}`;
  }

  async run() {
    const args = ['--port', this.#port, '--bind', '127.0.0.1', '--dir', this.#folder, '--save', '', '--appendonly', 'yes'];
    this.#process = run('redis-server', args.map(String));
    await until('redis-server answers', () => listens(this.#port));
  }

  /** Stops it as an operator would; what it held is on disk. */
  halt() {
    return this.#process.stop('SIGTERM');
  }

  async stop() {
    await this.#process.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export class Gateway {
  #port;
  #ops;
  #command;
  #env;
  #process;

  /** `command` is `serve` or `demo`; `redis` may be left out for the embedded broker. */
  static async start({ command = 'serve', redis, env = {} } = {}) {
    const gateway = new Gateway();
    gateway.#port = await freePort();
    gateway.#ops = await freePort();
    gateway.#command = command;
    gateway.#env = {
      CAMPANILE_LISTEN: `127.0.0.1:${gateway.#port}`,
      CAMPANILE_OPS_LISTEN: `127.0.0.1:${gateway.#ops}`,
      CAMPANILE_ALLOWED_ORIGINS: '*',
      CAMPANILE_DRAIN_DELAY: '0s',
      CAMPANILE_DRAIN_WINDOW: '0s',
      ...(command === 'serve' && { CAMPANILE_JWT_SECRET: SECRET, CAMPANILE_PUBLISH_KEYS: KEY }),
      ...(redis && { CAMPANILE_REDIS_URL: redis.url }),
      ...env,
    };
    await gateway.run();
    return gateway;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  async run() {
    this.#process = run(BINARY, [this.#command], this.#env);
    const ready = async () => (await fetch(`http://127.0.0.1:${this.#ops}/readyz`).catch(() => undefined))?.ok;
    const { child, log } = this.#process;
    await until('the gateway is ready', async () => {
      if (child.exitCode !== null || child.pid === undefined) throw new Error(`${BINARY} does not run: ${log()}`);
      return ready();
    });
  }

  stop(signal) {
    return this.#process.stop(signal);
  }

  async publish(...notifications) {
    const response = await fetch(`${this.url}/api/publish`, {
      method: 'POST',
      // A connection that is kept may be one that the gateway has just closed for being idle; a POST is not repeated then.
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify(notifications),
    });
    if (!response.ok) throw new Error(`publish: ${response.status} ${await response.text()}`);
  }

  /** How many sockets are open. */
  async sockets() {
    const text = await (await fetch(`http://127.0.0.1:${this.#ops}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith('campanile_connections{'));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
  });
}

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export function token(user, seconds = 3600) {
  const now = Math.floor(Date.now() / 1000);
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub: user, iat: now, exp: now + seconds })}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}
