/** Where `npm run contract` puts the connection string that it was given, for the tests to find it. */
export const serverVariable = "TIDEMARK_CONTRACT_SERVER";
