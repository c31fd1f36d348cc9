// The language of the filter: `lr < 0.1 and opt == "adam"` as for --where, and shorter: `lr<0.1 adam`. Words without an
// operator between them must all hold; a word that is no column is looked for in the row. Nothing is ever executed.
"use strict";
(() => {
  const OPERATORS = ["**", "//", "==", "!=", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%", "(", ")", "[", "]", ","];
  const COMPARE = {
    "<": (c) => c < 0, ">": (c) => c > 0, "<=": (c) => c <= 0, ">=": (c) => c >= 0,
    "=": (c) => c === 0, "==": (c) => c === 0, "!=": (c) => c !== 0,
  };
  const CONSTANTS = { true: true, false: false, none: null, null: null, nan: { n: "nan" }, inf: Infinity };
  const NUMBER = /^(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(?![\p{L}\p{N}_.])/u;
  const WORD = /^[^\s()[\],<>=!"'`+*%]+/u;

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
        const match = rest.match(quote === '"' ? /^"((?:\\.|[^"\\])*)"/ : quote === "'" ? /^'((?:\\.|[^'\\])*)'/ : /^`([^`]*)`/);
        if (!match) throw new Error(`${quote} is not closed`);
        take(quote === "`" ? "name" : "text", match[0].length, quote === "`" ? match[1] : match[1].replace(/\\(.)/g, "$1"));
      } else if (/^(and|or|not|in)(?![\p{L}\p{N}_.])/u.test(rest)) {
        const word = rest.match(/^\w+/)[0];
        take(word, word.length, word);
      } else if (name) take("name", name.length, name);
      else if (NUMBER.test(rest)) {
        const raw = rest.match(NUMBER)[0];
        take("number", raw.length, raw);
      } else if (operator) take(operator, operator.length, operator);
      else {
        const match = rest.match(WORD);
        if (!match) throw new Error(`${rest[0]} is not understood`);
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
          const among = members();
          tests.push((row) => among.some((one) => compare(left(row), one(row)) === 0) !== inverse);
          break;
        }
        const rights = [sum()];
        while ("= == !=".split(" ").includes(operator) && next(",")) rights.push(sum());
        nodes.push(rights[0]);
        tests.push(operator === "!="
          ? (row) => rights.every((right) => compare(left(row), right(row)) !== 0)
          : (row) => rights.some((right) => { const c = compare(left(row), right(row)); return c !== null && COMPARE[operator](c); }));
      }
      return tests.length ? (row) => tests.every((test) => test(row)) : truth(nodes[0]);
    }

    function members() {
      const close = next("[") ? "]" : next("(") ? ")" : null;
      if (!close) throw new Error("in needs a list, such as [1, 2]");
      const found = [];
      while (!peek(close)) {
        found.push(sum());
        if (!next(",")) break;
      }
      need(close);
      return found;
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
      if (token.kind === "text") return constant(token.value, token.value);
      if (token.kind === "number") return constant(Number(token.value), token.value);
      if (token.kind === "name") {
        const column = columns.get(token.value);
        if (!column) throw new Error(`there is no column ${token.value}`);
        return (row) => column[row];
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

  // A test of rows by their number. `columns`: name -> values; `rowText(row)`: all of a row in lower case. Throws an Error
  // that says what is wrong.
  mrl.filter = (text, columns, rowText) => (text.trim() ? parse(text, columns, rowText) : () => true);
  mrl.filter.quote = (name) => (/^[\p{L}_][\p{L}\p{N}_.]*$/u.test(name) && !/^(and|or|not|in)$/.test(name) ? name : `\`${name}\``);
})();
