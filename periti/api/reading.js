// What the pages for people who judge share beside words.js.
const COMMON = new Set(("a an and are as at be by can do does for from has have how i if in into is it its of on or that the " +
  "their them there these they this to versus vs was were what when where which who why will with").split(" "));

async function ask(path, body) {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The service does not answer; is it still running? Nothing that was judged before is lost.");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  throw new Error(answer?.error?.message ?? `The service answered ${response.status}.`);
}

// A word without its commonest English endings, so that "adults" lights up for "adult".
function stem(word) {
  const lower = word.toLocaleLowerCase();
  for (const [ending, instead] of [["ies", "y"], ["ing", ""], ["ed", ""], ["es", ""], ["s", ""]]) {
    if (lower.endsWith(ending) && lower.length - ending.length >= 3) return lower.slice(0, -ending.length) + instead;
  }
  return lower;
}

const WORD = /[\p{L}\p{N}\p{M}]+/gu;

function lit(text, question) {
  const wanted = new Set((question.match(WORD) ?? []).filter((word) => !COMMON.has(word.toLowerCase())).map(stem));
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(WORD)) {
    if (!wanted.has(stem(found[0]))) continue;
    parts.push(document.createTextNode(text.slice(end, found.index)), make("mark", "", found[0]));
    end = found.index + found[0].length;
  }
  parts.push(document.createTextNode(text.slice(end)));
  return parts;
}
