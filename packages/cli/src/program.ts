import { LinattnError } from '@linattn/math';
import { Command, CommanderError } from 'commander';
import { doctorCommand } from './commands/doctor.ts';
import { generateCommand } from './commands/generate.ts';
import { reportCommand } from './commands/report.ts';
import { reproduceCommand } from './commands/reproduce.ts';
import { trainCommand } from './commands/train.ts';
import { verifyCommand } from './commands/verify.ts';
import { InterruptedError, interruptedExitCode } from './interrupt.ts';
import { version } from './version.ts';

/** Exit code of every failure that was foreseen: a wrong option, a file that cannot be read, a backend that does not work. */
const failureExitCode = 2;

function buildProgram(exit: (code: number) => void): Command {
  const program = new Command('linattn')
    .description('Train, run, verify and examine language models with linear attention.')
    .version(version)
    .option('--debug', 'show where an error came from')
    .addCommand(trainCommand(exit))
    .addCommand(generateCommand(exit))
    .addCommand(verifyCommand(exit))
    .addCommand(reproduceCommand())
    .addCommand(reportCommand())
    .addCommand(doctorCommand())
    .showHelpAfterError('(linattn --help, or linattn COMMAND --help, lists what there is)');
  for (const command of [program, ...program.commands]) {
    command.exitOverride();
    if (command !== program) command.option('--debug', 'show where an error came from');
  }
  return program;
}

/**
 * The command line. Expected failures are one line on standard error.
 * @param argv arguments after the program's name.
 * @returns the exit code: 0, 1 (`verify`: something is over its tolerance), 2 (a failure), 130 (Ctrl-C).
 */
export async function main(argv: readonly string[] = process.argv.slice(2)): Promise<number> {
  let code = 0;
  const program = buildProgram((given) => {
    code = given;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : failureExitCode;
    if (error instanceof InterruptedError || (error instanceof Error && error.name === 'AbortError'))
      return interruptedExitCode;
    if (isClosedPipe(error)) return 0;
    process.stderr.write(`${describeError(error, argv.includes('--debug'))}\n`);
    return failureExitCode;
  }
}

/** The reader of our output went away (`linattn generate | head`): no failure of ours. */
const isClosedPipe = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'EPIPE';

function describeError(error: unknown, debug: boolean): string {
  if (!(error instanceof Error)) return `linattn: ${String(error)}`;
  if (debug) return error.stack ?? error.message;
  if (error instanceof LinattnError) return `linattn: ${error.message}`;
  return `linattn: ${error.message} (unexpected; --debug shows where it came from)`;
}
