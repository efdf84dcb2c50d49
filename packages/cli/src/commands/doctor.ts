import { arch, freemem, platform, release } from 'node:os';
import { Command } from 'commander';
import { backends } from '../backends.ts';
import { describeMachine } from '../machine.ts';
import { formatBytes } from '../terminal/format.ts';
import { table } from '../terminal/table.ts';
import { Terminal } from '../terminal/terminal.ts';
import { version } from '../version.ts';

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('tell which backends work on this machine, and why others do not')
    .option('--json', 'for programs')
    .action(async ({ json }: { readonly json?: boolean }) => {
      await doctor(json === true);
    });
}

async function doctor(json: boolean): Promise<void> {
  const machine = {
    linattn: version,
    system: `${platform()} ${release()} ${arch()}`,
    ...describeMachine(),
    freeMemory: freemem(),
  };
  const terminal = new Terminal();
  const found = [];
  for (const { name, summary, available } of backends) {
    terminal.status(`trying ${name}`);
    found.push({ name, summary, ...(await available()) });
  }
  terminal.clearStatus();
  if (json) {
    terminal.line(JSON.stringify({ ...machine, backends: found }, null, 2));
    return;
  }
  const { green, red, dim, bold } = terminal.color;
  const say = (label: string, text: string) => terminal.line(`${dim(label.padEnd(10))} ${text}`);
  say('linattn', machine.linattn);
  say('node', machine.node);
  say('system', machine.system);
  say('processor', `${machine.processor}, ${machine.cores} cores`);
  say('memory', `${formatBytes(machine.memory)}, ${formatBytes(machine.freeMemory)} free`);
  terminal.line();
  const rows = found.map((backend) => [
    backend.ok ? green('✓') : red('✗'),
    bold(backend.name),
    backend.summary,
    backend.ok ? dim(backend.detail) : backend.reason,
  ]);
  for (const line of table(rows, 4)) terminal.line(line);
  const first = found.find((backend) => backend.ok && backend.automatic);
  terminal.line();
  terminal.line(first ? `--backend auto takes ${bold(first.name)}` : red('no backend works here'));
}
