import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { runServer } from 'verdaccio';

/** A registry on loopback that holds what is published to it and asks nobody else. */
export class Registry {
  private constructor(
    readonly server: Server,
    readonly url: string,
  ) {}

  static async start(folder: string): Promise<Registry> {
    const app = await runServer({
      self_path: folder,
      storage: join(folder, 'storage'),
      uplinks: {},
      packages: { '**': { access: '$all', publish: '$all' } },
      auth: { htpasswd: { file: join(folder, 'htpasswd') } },
      log: { type: 'stdout', format: 'pretty', level: 'fatal' },
    } as unknown as string);
    const server = app as Server;
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return new Registry(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  }

  /** Every version of a package that was published, oldest first; none when nothing was. */
  async versions(name: string): Promise<string[]> {
    return Object.keys((await this.manifest(name))?.versions ?? {});
  }

  /** What the registry says of a package; undefined when it has none. */
  async manifest(
    name: string,
  ): Promise<{ versions: Record<string, { dependencies?: Record<string, string> }> } | undefined> {
    const response = await fetch(this.url + name.replace('/', '%2f'));
    return response.ok ? await response.json() : undefined;
  }

  async close(): Promise<void> {
    await new Promise((resolve) => {
      this.server.close(resolve);
      this.server.closeAllConnections();
    });
  }
}
