export async function runRsync(): Promise<number> { return 0; }
