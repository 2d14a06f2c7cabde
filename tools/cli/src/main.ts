import { describeError, UserError } from '@vigil/service';
import { runDoctor } from './doctor/command.js';
import { HelpWanted } from './options.js';
import { runSize } from './size/command.js';

const USAGE = `vigil: tools for whoever runs R1

  npx vigil doctor   checks this machine against what R1 needs
  npx vigil size     says what memory a model needs, and which GPUs hold it
  npx vigil rules    checks, tests and previews alert rules

"npx vigil doctor --help", "npx vigil size --help" and "npx vigil rules --help" name the options.`;

const COMMANDS: Readonly<Record<string, (args: readonly string[], print: (text: string) => void) => Promise<number>>> =
  {
    doctor: runDoctor,
    // It brings the store along, which the others need not wait for.
    rules: async (args, print) => (await import('./rules/command.js')).runRules(args, print),
    size: runSize,
  };

async function main([command, ...args]: readonly string[]): Promise<number> {
  const run = command === undefined ? undefined : COMMANDS[command];
  if (run) return run(args, console.log);
  if (command === '--help' || command === '-h' || command === 'help') throw new HelpWanted(USAGE);
  throw new UserError(command === undefined ? USAGE : `There is no command "${command}".\n\n${USAGE}`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof HelpWanted) {
    console.log(error.message);
  } else {
    console.error(error instanceof UserError ? error.message : describeError(error));
    // Every sentence for a person is about what was asked for; a defect of ours is code 70, as in sysexits.h.
    process.exitCode = error instanceof UserError ? 2 : 70;
  }
}
// A reader of the driver or of a volume that can not be ended must not keep this process.
process.exit();
