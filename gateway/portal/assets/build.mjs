// Bundles every script and style sheet of this folder into ../static/build/.
//
// One entry per file directly in this folder (lib/ holds shared modules); code that several pages
// need is split into chunks, so that a page loads only what it uses.  Run by `make assets`.
import { build } from "esbuild";
import { copyFile, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "static", "build");
const out = `${target}.new`; // becomes `target` when it is whole
const files = (await readdir(here)).filter((name) => /\.(js|css)$/.test(name)).sort();

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({
  entryPoints: files.map((name) => join(here, name)),
  outdir: out,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: true,
  sourcemap: false,
  legalComments: "linked",
  loader: { ".svg": "dataurl", ".woff2": "file", ".png": "file" },
  logLevel: "warning",
});
// Aladin Lite is one large module with its wasm inside: served as it is, imported by URL when a map opens.
await copyFile(join(here, "../../../node_modules/aladin-lite/dist/aladin.js"), join(out, "aladin.js"));
await writeFile(join(out, "BUILT"), files.join("\n") + "\n");
await rm(target, { recursive: true, force: true });
await rename(out, target);
console.log(`${files.length} scripts and style sheets bundled`);
