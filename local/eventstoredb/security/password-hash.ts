/**
 * Passwords are kept as scrypt hashes, each with a salt of its own and the parameters that it was made with, so that these
 * can be raised later without a change of what is stored.
 */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

export interface PasswordHash {
  readonly salt: string;
  /** `scrypt$N$r$p$key`, the key in base64. */
  readonly hash: string;
}

/**
 * Node's own: 16 MiB and some 40 ms. The first call with a password waits for it, on machines that are busy with tests; five
 * times as much, which OWASP asks for at this size, made such a call last seconds there.
 */
const parameters = { N: 16_384, r: 8, p: 1 } as const;
const keyBytes = 32;
/** Twice what the parameters need, and Node refuses more: a stored hash cannot make the server allocate without bound. */
const memory = 64 * 1024 * 1024;

const derive = (password: string, salt: Buffer, cost: { N: number; r: number; p: number }): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    scrypt(password, salt, keyBytes, { ...cost, maxmem: memory }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });

export const hashPassword = async (password: string): Promise<PasswordHash> => {
  const salt = randomBytes(16);
  const key = await derive(password, salt, parameters);
  const { N, r, p } = parameters;
  return { salt: salt.toString("base64"), hash: `scrypt$${N}$${r}$${p}$${key.toString("base64")}` };
};

/** False for a hash that was not made here, such as that of a real server. */
export const verifyPassword = async (password: string, { salt, hash }: PasswordHash): Promise<boolean> => {
  const [scheme, n, r, p, encoded = ""] = hash.split("$");
  const expected = Buffer.from(encoded, "base64");
  if (scheme !== "scrypt" || expected.length !== keyBytes) return false;
  try {
    const cost = { N: Number(n), r: Number(r), p: Number(p) };
    return timingSafeEqual(await derive(password, Buffer.from(salt, "base64"), cost), expected);
  } catch {
    return false;
  }
};

/** Takes as long as a password does, and fits none: whether a name is known does not show in the time of the answer. */
export const hashOfNobody: PasswordHash = {
  salt: randomBytes(16).toString("base64"),
  hash: `scrypt$${parameters.N}$${parameters.r}$${parameters.p}$${randomBytes(keyBytes).toString("base64")}`,
};
