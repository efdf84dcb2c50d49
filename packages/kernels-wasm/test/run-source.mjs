// Runs a module given as text, importing the packages' sources, in a process of its own.
import { createServer } from 'vite';

const root = new URL('..', import.meta.url).pathname;
const server = await createServer({
  root,
  configFile: false,
  logLevel: 'error',
  server: { middlewareMode: true, watch: null, ws: false },
  resolve: { conditions: ['@linattn/source'] },
  ssr: { resolve: { conditions: ['@linattn/source'] } },
  plugins: [
    {
      name: 'text',
      resolveId: (id) => (id === 'text' ? `${root}text.js` : null),
      load: (id) => (id === `${root}text.js` ? process.argv[2] : null),
    },
  ],
});
await server.ssrLoadModule('text');
await server.close();
