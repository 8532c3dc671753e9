import { UsageError } from '../../machine/errors.js'

/** An option's value cannot be; one sentence that begins with the option as it was given: `--smp`, `smp`, `machine.cpus`. */
export class OptionError extends UsageError {
  override readonly name = 'OptionError'
}
