// A result by itself.
import { startSamp } from "./lib/samp-menu.js";
import { activate } from "./lib/viewers.js";

startSamp();
activate();
