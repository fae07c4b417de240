/** Progress of long work: a bar on a terminal, a line now and then elsewhere; on stderr, so that stdout stays the result. */
import { Presets, SingleBar } from "cli-progress";

export interface Progress {
  /** Sets what is done so far, and the total where it has become known or has grown. */
  update(done: number, total?: number): void;
  stop(): void;
}

const lineEveryMs = 2_000;

export function showProgress(what: string, total: number, stream: NodeJS.WriteStream = process.stderr): Progress {
  return stream.isTTY ? bar(what, total, stream) : lines(what, total, stream);
}

function bar(what: string, total: number, stream: NodeJS.WriteStream): Progress {
  const shown = new SingleBar(
    { stream, format: `${what} {bar} {value}/{total} {eta_formatted}`, hideCursor: true },
    Presets.shades_classic,
  );
  shown.start(total, 0);
  return {
    update: (done, grown) => {
      if (grown !== undefined) shown.setTotal(grown);
      shown.update(done);
    },
    stop: () => shown.stop(),
  };
}

function lines(what: string, total: number, stream: NodeJS.WriteStream): Progress {
  let latest = { done: 0, total };
  let written = -1;
  const write = (): void => {
    if (latest.done === written) return;
    written = latest.done;
    stream.write(`${what}: ${latest.done} of ${latest.total}\n`);
  };
  const timer = setInterval(write, lineEveryMs);
  timer.unref();
  return {
    update: (done, grown = latest.total) => (latest = { done, total: grown }),
    stop: () => {
      clearInterval(timer);
      write();
    },
  };
}
