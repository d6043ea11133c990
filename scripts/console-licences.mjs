// Licences of the npm packages that the console's pages hold, as a page: each with its text, as it lies in its package. One whose licence is not
// known to be fine, or that says none, is an error. Run from the root of the repository, after `npm ci` in host/console.
import { existsSync, readFileSync, readdirSync } from "node:fs";

const FINE = ["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "Unlicense"];
const root = "host/console";
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

const { packages } = JSON.parse(readFileSync(`${root}/package-lock.json`, "utf8"));
const all = Object.entries(packages)
  // What is not installed here is for another system, or nobody's need: it is in no page.
  .filter(([path, own]) => path !== "" && !own.dev && existsSync(`${root}/${path}`))
  .map(([path, own]) => {
    const { name, license, author } = JSON.parse(readFileSync(`${root}/${path}/package.json`, "utf8"));
    const licence = own.license ?? license;
    const choices = (licence ?? "none").replaceAll(/[()]/g, "").split(" OR ");
    if (!choices.some((choice) => FINE.includes(choice))) {
      throw new Error(`${name} ${own.version}: its licence, ${licence ?? "none"}, is none of ${FINE.join(", ")}`);
    }
    const files = readdirSync(`${root}/${path}`).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
    const texts = files.sort().map((file) => readFileSync(`${root}/${path}/${file}`, "utf8").trim());
    return { name, version: own.version, licence, maker: author?.name ?? author, text: texts.join("\n\n") };
  })
  .sort((one, other) => (one.name < other.name ? -1 : 1));
if (all.length === 0) throw new Error(`${root}/node_modules is not there: npm ci`);

// Packages of one maker have one text, which some leave out.
const byText = new Map();
for (const own of all) {
  const alike = (other) => other.licence === own.licence && other.maker === own.maker && other.text !== "";
  own.text ||= (own.maker && all.find(alike)?.text) || "";
  const key = `${own.licence}\n${own.text}`;
  byText.set(key, [...(byText.get(key) ?? []), own]);
}
console.log(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Tandem: licences of what the console's pages are made of</title>
<style>body { font: 14px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em } pre { white-space: pre-wrap }</style>
<h1>Licences of what the console's pages are made of</h1>`);
for (const same of byText.values()) {
  console.log(`<h2>${escaped(same[0].licence)}</h2>\n<ul>`);
  for (const own of same) console.log(`<li>${escaped(own.name)} ${escaped(own.version)}</li>`);
  const text = same[0].text || `${same[0].licence}: its package holds no text of it, which stands at https://spdx.org/licenses/${same[0].licence}.html`;
  console.log(`</ul>\n<pre>${escaped(text)}</pre>`);
}
console.log("</html>");
