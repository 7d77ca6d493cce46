// A real gateway and a real Redis on free ports.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { until } from './until.js';

const SECRET = 'only-for-tests-only-for-tests-only';
const KEY = 'publish-key-of-the-tests';

/** Path of the gateway's binary; the integration tests are skipped without it. */
export const binary = process.env.CAMPANILE_BIN;

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** @param seconds until it expires */
export function token(user: string, seconds = 3600): string {
  const claims = { sub: user, exp: Math.floor(Date.now() / 1000) + seconds, jti: randomUUID() };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await exited;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => (socket.destroy(), resolve(true)));
    socket.once('error', () => resolve(false));
  });
}

export class Gateway {
  #gateway: ChildProcess | undefined;
  #log = '';

  private constructor(
    readonly port: number,
    private readonly ops: number,
    private readonly redisPort: number,
    private readonly redis: ChildProcess,
    private readonly folder: string,
    private readonly extra: Record<string, string>,
  ) {}

  static async start(extra: Record<string, string> = {}): Promise<Gateway> {
    const [port, ops, redisPort] = [await freePort(), await freePort(), await freePort()];
    const folder = mkdtempSync(join(tmpdir(), 'campanile-client-'));
    const redis = spawn(
      'redis-server',
      ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', folder],
      { stdio: 'ignore' },
    );
    const gateway = new Gateway(port, ops, redisPort, redis, folder, extra);
    await until('Redis accepts', () => accepts(redisPort));
    await gateway.up();
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async up(): Promise<void> {
    const child = spawn(binary ?? '', ['serve'], {
      env: {
        PATH: process.env.PATH,
        CAMPANILE_LISTEN: `127.0.0.1:${this.port}`,
        CAMPANILE_OPS_LISTEN: `127.0.0.1:${this.ops}`,
        CAMPANILE_REDIS_URL: `redis://127.0.0.1:${this.redisPort}`,
        CAMPANILE_JWT_SECRET: SECRET,
        CAMPANILE_PUBLISH_KEYS: KEY,
        CAMPANILE_DRAIN_DELAY: '0s',
        CAMPANILE_DRAIN_WINDOW: '0s',
        CAMPANILE_WORKERS: '1',
        ...this.extra,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#gateway = child;
    const keep = (text: Buffer) => (this.#log = (this.#log + text.toString()).slice(-10_000));
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    await until('the gateway is ready', async () => {
      if (child.exitCode !== null) throw new Error(`the gateway ended:\n${this.#log}`);
      const answer = await fetch(`http://127.0.0.1:${this.ops}/readyz`).catch(() => undefined);
      return answer?.ok === true;
    });
  }

  async down(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#gateway) await stop(this.#gateway, signal);
  }

  async end(): Promise<void> {
    await this.down('SIGKILL');
    await stop(this.redis, 'SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Kept; answers with the ids. */
  async publish(user: string, notifications: readonly object[]): Promise<void> {
    const body = notifications.map((one) => ({ user_id: user, ...one }));
    await this.#post('publish', body);
  }

  async disconnect(user: string): Promise<void> {
    await this.#post('disconnect', { user_id: user });
  }

  /** Into the log without a gateway. */
  notify(user: string, notification: object): void {
    this.cli('FCALL', 'campanile_notify', '1', user, JSON.stringify(notification));
  }

  plain(user: string, notification: object): void {
    this.cli('PUBLISH', `user:${user}:notifications`, JSON.stringify(notification));
  }

  cli(...command: string[]): string {
    return execFileSync('redis-cli', ['-p', String(this.redisPort), ...command], { encoding: 'utf8' });
  }

  async #post(path: string, body: unknown): Promise<void> {
    const answer = await fetch(`${this.url}/api/${path}`, {
      method: 'POST',
      // A connection that is kept may be one that the gateway has just closed for being idle; a POST is not repeated then.
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  }
}
