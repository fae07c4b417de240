/** A process that may die at any call: from then on nothing that it asks for happens, and it hears of nothing any more. */
export class SimulatedProcess {
  readonly name: string;
  #isAlive = true;
  readonly #mourners: (() => void)[] = [];

  constructor(name: string) {
    this.name = name;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Tells the others whom it was connected to. */
  crash(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    for (const mourn of this.#mourners.splice(0)) mourn();
  }

  onCrash(mourn: () => void): void {
    if (this.#isAlive) this.#mourners.push(mourn);
    else mourn();
  }
}

/** What a dead process waits for. */
export const never = <Value>(): Promise<Value> => new Promise<Value>(() => undefined);
