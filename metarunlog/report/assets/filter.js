// The language of the filter: `lr < 0.1 and opt == "adam"` as for --where, and shorter: `lr<0.1 adam`. Words without an
// operator between them must all hold; a word that is no column is looked for in the row. Nothing is ever executed.
"use strict";
(() => {
  const OPERATORS = ["&&", "||", "**", "//", "==", "!=", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%", "(", ")", "[", "]", ","];
  const COMPARE = {
    "<": (c) => c < 0, ">": (c) => c > 0, "<=": (c) => c <= 0, ">=": (c) => c >= 0,
    "=": (c) => c === 0, "==": (c) => c === 0, "!=": (c) => c !== 0,
  };
  const CONSTANTS = { true: true, false: false, none: null, null: null, nan: { n: "nan" }, inf: Infinity };
  const NUMBER = /^(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(?![\p{L}\p{N}_.])/u;
  const WORD = /^[^\s()[\],<>=!"'`+*%&|]+/u;

  function tokens(text, names) {
    const found = [];
    const known = [...names].sort((a, b) => b.length - a.length);
    let rest = text;
    const take = (kind, length, value) => { found.push({ kind, value, at: text.length - rest.length }); rest = rest.slice(length); };
    while ((rest = rest.trimStart())) {
      const quote = rest[0];
      const name = known.find((one) => one && rest.startsWith(one) && !/^[\p{L}\p{N}_.]/u.test(rest.slice(one.length)));
      const operator = OPERATORS.find((one) => rest.startsWith(one));
      if (`"'\``.includes(quote)) {
        const match = rest.match(quote === '"' ? /^"((?:\\.|[^"\\])*)"/ : quote === "'" ? /^'((?:\\.|[^'\\])*)'/ : /^`((?:[^`]|``)*)`/);
        if (!match) throw new Error(`${quote} is not closed`);
        take(quote === "`" ? "name" : "text", match[0].length, quote === "`" ? match[1].replaceAll("``", "`") : match[1].replace(/\\(.)/g, "$1"));
      } else if (/^(and|or|not|in)(?![\p{L}\p{N}_.])/u.test(rest)) {
        const word = rest.match(/^\w+/)[0];
        take(word, word.length, word);
      } else if (name) take("name", name.length, name);
      else if (NUMBER.test(rest)) {
        const raw = rest.match(NUMBER)[0];
        take("number", raw.length, raw);
      } else if (operator) take({ "&&": "and", "||": "or" }[operator] ?? operator, operator.length, operator);
      else {
        const match = rest.match(WORD);
        if (!match || !/[\p{L}\p{N}]/u.test(match[0])) throw new Error(`${rest[0]} is not understood`);
        take("word", match[0].length, match[0]);
      }
    }
    return found;
  }

  // A node is a function of the row; `search` is set where, alone, it would be looked for in the row.
  function parse(text, columns, rowText) {
    const list = tokens(text, columns.keys());
    let at = 0;
    const peek = (...kinds) => at < list.length && kinds.includes(list[at].kind);
    const next = (...kinds) => (peek(...kinds) ? list[at++] : null);
    function need(kind) {
      if (!next(kind)) throw new Error(at < list.length ? `${kind} is missing before ${list[at].value}` : `${kind} is missing at the end`);
    }
    const constant = (value, search) => Object.assign(() => value, { search });

    function truth(node) {
      if (node.search !== undefined) {
        const wanted = node.search.toLowerCase();
        return (row) => rowText(row).includes(wanted);
      }
      return (row) => { const value = node(row); return typeof value === "object" ? false : Boolean(value); };
    }

    function or() {
      const parts = [and()];
      while (next("or")) parts.push(and());
      return parts.length === 1 ? parts[0] : (row) => parts.some((part) => part(row));
    }

    function and() {
      const parts = [not()];
      while (at < list.length && !peek("or", ")", "]", ",")) {
        next("and");
        parts.push(not());
      }
      return parts.length === 1 ? parts[0] : (row) => parts.every((part) => part(row));
    }

    function not() {
      if (!next("not")) return comparison();
      const part = not();
      return (row) => !part(row);
    }

    function comparison() {
      const nodes = [sum()];
      const tests = [];
      for (;;) {
        const inverse = peek("not") && list[at + 1]?.kind === "in";
        if (inverse) at += 1;
        const operator = next(...Object.keys(COMPARE), "in")?.kind;
        if (!operator) break;
        const left = nodes[nodes.length - 1];
        if (operator === "in") {
          tests.push(membership(left, inverse));
          break;
        }
        const equality = ["=", "==", "!="].includes(operator);
        const side = () => (equality && left.column === "id" ? ids() : [sum()]);
        const rights = side();
        while (equality && next(",")) rights.push(...side());
        nodes.push(rights[0]);
        rights.forEach((right) => check(left, right, operator));
        tests.push(operator === "!="
          ? (row) => rights.every((right) => compare(left(row), right(row)) !== 0)
          : (row) => rights.some((right) => { const c = compare(left(row), right(row)); return c !== null && COMPARE[operator](c); }));
      }
      return tests.length ? (row) => tests.every((test) => test(row)) : truth(nodes[0]);
    }

    // What can never be true is a mistake: a comparison without a column, or of numbers with text.
    function check(left, right, operator) {
      if (left.search !== undefined && right.search !== undefined) {
        const word = [left, right].find((node) => node() instanceof String) ?? left;
        throw new Error(unknown(word.search, [...columns.keys()]));
      }
      const [name, constant] = left.column ? [left.column, right] : [right.column, left];
      if (!name || constant.search === undefined || constant() === null || constant().n || operator === "!=") return;
      const values = columns.get(name).filter((value) => value !== null && value.n !== "nan");
      if (values.length && values.every((value) => compare(value, constant()) === null)) throw new Error(`${name} is never text such as ${constant.search}`);
    }

    // After `id =`: a number or a range of them, as --only has it.
    function ids() {
      const first = next("number");
      if (!first || !peek("-") || list[at + 1]?.kind !== "number") {
        if (first) at -= 1;
        return [sum()];
      }
      at += 1;
      const [low, high] = [Number(first.value), Number(next("number").value)];
      if (!(high >= low && high - low < 1e6)) throw new Error(`${low}-${high} is no range`);
      return [...Array(high - low + 1).keys()].map((k) => constant(low + k, String(low + k)));
    }

    function membership(left, inverse) {
      const listed = peek("[", "(") ? members() : peek("word") && list[at].value === "range" ? range() : null;
      if (!listed) { // in a param that is a list
        const right = sum();
        if (!right.column) throw new Error("in needs a list, such as [1, 2]");
        return (row) => listOf(right(row)).some((one) => compare(left(row), one) === 0) !== inverse;
      }
      if (left.search !== undefined && listed.every((one) => one.search !== undefined)) throw new Error(unknown(left.search, [...columns.keys()]));
      return (row) => listed.some((one) => compare(left(row), one(row)) === 0) !== inverse;
    }

    function members() {
      const close = next("[") ? "]" : next("(") ? ")" : need("(");
      const found = [];
      while (!peek(close)) {
        found.push(sum());
        if (!next(",")) break;
      }
      need(close);
      return found;
    }

    function range() {
      at += 1;
      const ends = members().map((node) => node(0));
      const [first, last, step = 1] = ends.length === 1 ? [0, ends[0]] : ends;
      const count = Math.ceil((last - first) / step);
      if (!(count < 1e6)) throw new Error("range needs one to three numbers, and may have a million values");
      return [...Array(Math.max(count, 0)).keys()].map((k) => constant(first + k * step, String(first + k * step)));
    }

    const arithmetic = (left, right, operate) => (row) => {
      const [a, b] = [left(row), right(row)];
      return typeof a === "number" && typeof b === "number" ? operate(a, b) : null;
    };

    function sum() {
      let left = product();
      for (let token; (token = next("+", "-"));) {
        left = arithmetic(left, product(), token.kind === "+" ? (a, b) => a + b : (a, b) => a - b);
      }
      return left;
    }

    function product() {
      const operate = { "*": (a, b) => a * b, "/": (a, b) => a / b, "//": (a, b) => Math.floor(a / b), "%": (a, b) => a - b * Math.floor(a / b) };
      let left = unary();
      for (let token; (token = next("*", "/", "//", "%"));) left = arithmetic(left, unary(), operate[token.kind]);
      return left;
    }

    function unary() {
      if (next("-")) return arithmetic(constant(0), unary(), (a, b) => a - b);
      if (next("+")) return unary();
      const base = atom();
      return next("**") ? arithmetic(base, unary(), (a, b) => a ** b) : base;
    }

    function atom() {
      const token = list[at];
      if (!token) throw new Error("something is missing at the end");
      at += 1;
      if (token.kind === "(") {
        const inner = or();
        need(")");
        return inner;
      }
      if (token.kind === "[") { // as params that are lists are shown
        at -= 1;
        const parts = members().map((node) => node(0));
        const text = `[${parts.map((part) => (typeof part === "number" ? String(part) : JSON.stringify(part))).join(", ")}]`;
        return constant(text, text);
      }
      if (token.kind === "text") return constant(token.value, token.value);
      if (token.kind === "number") return constant(Number(token.value), token.value);
      if (token.kind === "name") {
        const column = columns.get(token.value);
        if (!column) throw new Error(`there is no column ${token.value}`);
        return Object.assign((row) => column[row], { column: token.value });
      }
      if (token.kind !== "word") throw new Error(`${token.value} is not expected here`);
      const lower = token.value.toLowerCase();
      return lower in CONSTANTS ? constant(CONSTANTS[lower], token.value) : constant(new String(token.value), token.value);
    }

    const whole = or();
    if (at < list.length) throw new Error(`${list[at].value} is not expected here`);
    return whole;
  }

  // -1, 0, 1; null where the two have no order. A word without quotes (a String) equals text of any case.
  function compare(a, b) {
    if (a === null || b === null) return a === b ? 0 : null;
    if (a.n === "nan" || b.n === "nan") return a.n === b.n ? 0 : null;
    const [x, y] = [plain(a), plain(b)];
    const [m, n] = [asNumber(x), asNumber(y)];
    if (m !== null && n !== null) return m < n ? -1 : m > n ? 1 : 0;
    if (typeof x !== typeof y) return null;
    const [s, t] = a instanceof String || b instanceof String ? [x.toLowerCase(), y.toLowerCase()] : [x, y];
    return s < t ? -1 : s > t ? 1 : 0;
  }

  const plain = (value) => (value instanceof String ? String(value) : typeof value === "boolean" ? Number(value)
    : value.n !== undefined ? (value.n === "-inf" ? -Infinity : Infinity) : value);
  const asNumber = (value) => (typeof value === "number" ? value : value.trim() === "" || Number.isNaN(Number(value)) ? null : Number(value));

  function listOf(value) {
    try {
      const found = JSON.parse(value);
      return Array.isArray(found) ? found : [];
    } catch {
      return [];
    }
  }

  function unknown(word, names) {
    const close = (name) => distance(name.toLowerCase(), word.toLowerCase()) <= (word.length > 3 ? 2 : 1);
    const near = names.filter((name) => name.startsWith(`${word}.`) || close(name));
    const known = `there are ${names.slice(0, 5).join(", ")}${names.length > 5 ? ", …" : ""}`;
    return `there is no column ${word}; ${near.length ? `did you mean ${near.slice(0, 3).join(", ")}?` : known}`;
  }

  // How many letters to change, add or leave out.
  function distance(a, b) {
    let last = [...Array(b.length + 1).keys()];
    for (let i = 1; i <= a.length; i += 1) {
      const now = [i];
      for (let j = 1; j <= b.length; j += 1) now.push(Math.min(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] !== b[j - 1])));
      last = now;
    }
    return last[b.length];
  }

  // A test of rows by their number. `columns`: name -> values; `rowText(row)`: all of a row in lower case. Throws an Error
  // that says what is wrong.
  mrl.filter = (text, columns, rowText) => (text.trim() ? parse(text, columns, rowText) : () => true);
  // With brackets where `and` behind it would change what it says.
  mrl.filter.closed = (text, names) => {
    let depth = 0;
    for (const { kind } of tokens(text, names)) {
      if (kind === "(" || kind === "[") depth += 1;
      if (kind === ")" || kind === "]") depth -= 1;
      if (kind === "or" && depth === 0) return `(${text})`;
    }
    return text;
  };
  mrl.filter.quote = (name) => (/^[\p{L}_][\p{L}\p{N}_.]*$/u.test(name) && !/^(and|or|not|in)$/.test(name) ? name
    : `\`${name.replaceAll("`", "``")}\``);
})();
