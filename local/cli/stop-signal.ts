const parentCheckMs = 200;

/**
 * Resolves when the process is told to stop: by SIGINT, SIGTERM or SIGHUP, of which none ends it by itself any more. npm
 * passes a signal on to the shell between it and its script, and that shell ends without passing it on: under npm the end
 * of the shell is the signal.
 */
export function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve());
    if (process.env["npm_lifecycle_event"] === undefined) return;
    const parent = process.ppid;
    const timer = setInterval(() => {
      if (process.ppid !== parent) resolve();
    }, parentCheckMs);
    timer.unref();
  });
}
