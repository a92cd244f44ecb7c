// The scripted upstream as a program of its own, so that it can be stopped whatever it is at: `upstream.mjs PORT KEY`.
import { scripted } from './answers.mjs';

const [port, key] = process.argv.slice(2);
await scripted(Number(port), key);
