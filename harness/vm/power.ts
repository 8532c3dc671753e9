/** `vm.power`: the buttons on the machine's case. */
import type { VmDriver } from './driver.js'

export class Power {
  constructor(private readonly driver: VmDriver) {}

  /** The ACPI power button: a guest that heeds it shuts down; `vm.waitForExit` waits for that. */
  async button(): Promise<void> {
    await this.driver.run([{ kind: 'power-button' }])
  }

  /** The reset button: the machine starts anew, its media are as the guest left them. */
  async reset(): Promise<void> {
    await this.driver.run([{ kind: 'reset' }])
  }

  /** Pulls the plug: the machine is gone. */
  async off(): Promise<void> {
    await this.driver.close('was switched off')
  }
}
