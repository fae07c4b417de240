/** What metrics call a deployment: the prefix of its names, without its last dash. */
export function deploymentName(prefix: string): string {
  return prefix.replace(/-$/, "");
}
