"""The code digest: what must be seen when it changes, and what must not.

Each row is a small project, an edit, and so whether the digest of `main` in mrl_analyze.py has to differ. The table is
checked too: all rows are run before and after the edit, and what `main` returns really differs, or really does not.
"""
# ruff: noqa: E501  (a row a line)

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support import at_most, calls

from metarunlog.engine.codedigest import CodeBase

MAIN = "mrl_analyze.py"


@dataclass(frozen=True)
class Row:
    """`text` is mrl_analyze.py; the edit replaces `old` by `new` in `file` (or writes `new` where `old` is None)."""

    name: str
    text: str
    old: str | None
    new: str
    file: str = MAIN
    others: dict[str, str] = field(default_factory=dict)
    runs: bool = True  # whether the edit changes what main returns here


# fmt: off
SEEN = [
    Row("itself", "def main(): return 1", "1", "2"),
    Row("helper in the same module", "def g(): return 1\ndef main(): return g()", "1", "2"),
    Row("helper of a helper", "def h(): return 1\ndef g(): return h()\ndef main(): return g()", "1", "2"),
    Row("mutual recursion", "def a(n): return b(n - 1) if n else 1\ndef b(n): return a(n)\ndef main(): return a(1)", "1\n", "2\n"),
    Row("constant", "K = 1\ndef main(): return K", "1", "2"),
    Row("annotated constant", "K: int = 1\ndef main(): return K", "1", "2"),
    Row("constant by constant", "A = 1\nB = A + 1\ndef main(): return B", "A = 1", "A = 2"),
    Row("several assignments", "K = 1\nK = K + 1\ndef main(): return K", "K = 1", "K = 2"),
    Row("their order", "K = 1\nK = 2\ndef main(): return K", "K = 1\nK = 2", "K = 2\nK = 1"),
    Row("order of use", "A = 1\nB = A\nA = 2\ndef main(): return B", "B = A\nA = 2", "A = 2\nB = A"),
    Row("augmented assignment", "K = 1\nK += 1\ndef main(): return K", "+= 1", "+= 2"),
    Row("tuple assignment", "A, (B, *C) = 1, (2, 3)\ndef main(): return C", "3", "4"),
    Row("subscript of a constant", "T = {'a': 1}\ndef main(): return T['a']", "1", "2"),
    Row("default argument", "K = 1\ndef main(x=K): return x", "1", "2"),
    Row("keyword default", "def k(): return 1\ndef main(*, x=k()): return x", "1", "2"),
    Row("annotation", "A = 1\ndef main(x: A = 0): return main.__annotations__['x']", "A = 1", "A = 2"),
    Row(
        "string annotation",
        "from __future__ import annotations\nimport dataclasses, typing\nclass C: k = 1\n@dataclasses.dataclass\nclass D:\n    c: C\n"
        "def main(): return typing.get_type_hints(D)['c'].k",
        "k = 1",
        "k = 2",
    ),
    Row("quoted annotation", "import typing\nclass C: k = 1\ndef f(x: 'list[C]'): pass\ndef main(): return typing.get_type_hints(f)['x'].__args__[0].k", "k = 1", "k = 2"),
    Row("future import", "def main(x: int = 0): return str(main.__annotations__)", "def", "from __future__ import annotations\ndef"),
    Row("decorator", "def d(f): return lambda: f() + 1\n@d\ndef main(): return 1", "+ 1", "+ 2"),
    Row("decorator with arguments", "def d(n):\n    def e(f): return lambda: f() + n\n    return e\n@d(1)\ndef main(): return 1", "@d(1)", "@d(2)"),
    Row("decorator added", "def d(f): return lambda: 2\n\ndef main(): return 1", "\n\n", "\n@d\n"),
    Row("decorator registry", "R = []\ndef reg(f):\n    R.append(f)\n    return f\n@reg\ndef a(): return 1\ndef main(): return [f() for f in R]", "return 1", "return 2"),
    Row("registry by a call", "R = {}\ndef reg(n, f): R[n] = f\nreg('a', lambda: 1)\ndef main(): return R['a']()", "1", "2"),
    Row("registry by an assigned call", "R = []\ndef reg(f): R.append(f)\n_ = reg(lambda: 1)\ndef main(): return R[0]()", "1", "2"),
    Row("registry in a method", "class R:\n    a = []\n    @classmethod\n    def get(cls, x): cls.a.append(x)\n_ = R.get(1)\ndef main(): return R.a", "get(1)", "get(2)"),
    Row("registry of an alias", "class R:\n    a = []\n    @classmethod\n    def get(cls, x): cls.a.append(x)\nS = R\n_ = S.get(1)\ndef main(): return R.a", "get(1)", "get(2)"),
    Row("registry by a default", "R = []\ndef g(x=R.append(1)): pass\ndef main(): return R", "1", "2"),
    Row("registry by an annotation", "R = []\ndef g(x: R.append(1)): pass\ndef main(): return R", "1", "2"),
    Row("registry by an operator", "class P:\n    a = []\n    def __or__(self, x):\n        self.a.append(x)\n        return self\np = P()\nq = p | 1\ndef main(): return p.a", "| 1", "| 2"),
    Row("registry by a key function", "R = []\ndef k(x): R.append(x)\n_ = max([1], key=k)\ndef main(): return R", "[1]", "[2]"),
    Row("registry in a comprehension", "R = []\n_ = [R.append(i) for i in (1,)]\ndef main(): return R", "(1,)", "(2,)"),
    Row("registry of subclasses", "class B:\n    def __init_subclass__(cls): R.append(cls)\nR = []\nclass C(B): k = 1\ndef main(): return R[0].k", "k = 1", "k = 2"),
    Row("registry by metaclass", "R = []\nclass M(type):\n    def __init__(cls, *a): R.append(cls)\nclass A(metaclass=M): k = 1\ndef main(): return R[0].k", "k = 1", "k = 2"),
    Row("__subclasses__", "class B: pass\nclass C(B): k = 1\ndef main(): return [c.k for c in B.__subclasses__()]", "k = 1", "k = 2"),
    Row("__set_name__", "R = []\nclass F:\n    def __init__(self, x): self.x = x\n    def __set_name__(self, o, n): R.append(self.x)\nclass C: f = F(1)\ndef main(): return R", "F(1)", "F(2)"),
    Row("singledispatch", "import functools\n@functools.singledispatch\ndef f(x): return 0\n@f.register\ndef _(x: int): return 1\ndef main(): return f(3)", "return 1", "return 2"),
    Row("iterator used up", "it = iter([1, 2])\nA = next(it)\nB = next(it)\ndef main(): return B", "A = next(it)", "A = 0"),
    Row("iterator of zip", "it = zip([1, 2])\nA = [x for x in it]\nB = list(it)\ndef main(): return B", "A = [x for x in it]", "A = 0"),
    Row("iterator in a tuple", "T = (iter([1]),)\nA = [*T[0]]\ndef main(): return list(T[0])", "A = [*T[0]]", "A = 0"),
    Row("iterator unpacked", "it = iter([1, 2])\na, b = it\ndef main(): return list(it)", "a, b = it", "a, b = 1, 2"),
    Row("closure", "def make(n):\n    def f(): return n\n    return f\nmain = make(1)", "(1)", "(2)"),
    Row("closure body", "def make(n):\n    def f(): return n + 1\n    return f\nmain = make(1)", "+ 1", "+ 2"),
    Row("lambda", "g = lambda: 1\nmain = lambda: g()", "1", "2"),
    Row("partial", "import functools\ndef g(n): return n + 1\nmain = functools.partial(g, 1)", "+ 1", "+ 2"),
    Row("method", "class A:\n    def m(self): return 1\ndef main(): return A().m()", "1", "2"),
    Row("class attribute", "class A: k = 1\ndef main(): return A.k", "1", "2"),
    Row("class attribute from outside", "class A: k = 0\nA.k = 1\ndef main(): return A.k", "A.k = 1", "A.k = 2"),
    Row("helper of a method", "def g(): return 1\nclass A:\n    def m(self): return g()\ndef main(): return A().m()", "1", "2"),
    Row("property", "class A:\n    @property\n    def p(self): return 1\n    @p.setter\n    def p(self, x): pass\ndef main(): return A().p", "1", "2"),
    Row("instance", "class A:\n    def __init__(self): self.x = 1\na = A()\ndef main(): return a.x", "1", "2"),
    Row("base class", "class B:\n    def m(self): return 1\nclass A(B): pass\ndef main(): return A().m()", "1", "2"),
    Row("class body reads the global", "x = 1\nclass A: x = x\ndef main(): return A.x", "x = 1", "x = 2"),
    Row("mangled name", "_A__k = 1\nclass A:\n    def m(self): return __k\ndef main(): return A().m()", "1", "2"),
    Row("nested functions", "K = 1\ndef main():\n    def a():\n        def b(): return K\n        return b\n    return a()()", "1", "2"),
    Row("global under a local name elsewhere", "K = 1\ndef main():\n    def a():\n        K = 0\n        return K\n    return a() + K", "K = 1", "K = 2"),
    Row("comprehension target is not local", "x = 1\ndef main(): return [x for x in (3,)] + [x]", "x = 1", "x = 2"),
    Row("comprehension in a class", "x = 1\nclass A:\n    x = 5\n    y = [x for _ in (1,)]\ndef main(): return A.y", "x = 1", "x = 2"),
    Row("first iterable of a comprehension", "x = [1]\ndef main(): return [x for x in x]", "1", "2"),
    Row("walrus in a comprehension", "y = 1\ndef f(): [y := x for x in (3,)]\ndef main():\n    f()\n    return y", "y = 1", "y = 2"),
    Row("walrus at the top", "A = (B := 1) + 1\ndef main(): return B", "1)", "2)"),
    Row("global statement", "K = 0\ndef g():\n    global K\n    K = 1\ndef main():\n    g()\n    return K", "K = 1", "K = 2"),
    Row("global import", "def g():\n    global h\n    import helpers as h\ndef main():\n    g()\n    return h.f()", "1", "2", "helpers.py", {"helpers.py": "def f(): return 1"}),
    Row("match", "K = 1\nclass P:\n    __match_args__ = ('x',)\n    x = 0\ndef g(v):\n    match v:\n        case P(x=0): return K\n        case {'a': a, **r}: return a\n        case [first, *K]: return K\ndef main(): return K", "K = 1", "K = 2"),
    Row("match captures", "y = 1\ndef main():\n    match [5]:\n        case [x]: return x + y", "y = 1", "y = 2"),
    Row("except name", "e = 1\ndef main():\n    def g():\n        try: raise ValueError\n        except ValueError as e: pass\n    g()\n    return e", "e = 1", "e = 2"),
    Row("del", "K = 1\nJ = K\ndel K\ndef main(): return J", "K = 1", "K = 2"),
    Row("assignment to an attribute", "import types\nt = types.SimpleNamespace()\nt.k = 1\ndef main(): return t.k", "1", "2"),
    Row("assignment in a foreign module", "import string\nstring.x = 1\ndef main():\n    import string as s\n    return s.x", "1", "2"),
    Row("rcParams", "import matplotlib as mpl\nmpl.rcParams['lines.linewidth'] = 1\ndef main(): return 0", "= 1", "= 2", runs=False),
    Row("bare call", "import numpy as np\nnp.seterr(all='raise')\ndef main(): return 0", "raise", "warn", runs=False),
    Row("assigned call with an effect", "import numpy as np\n_ = np.seterr(all='raise')\ndef main(): return 0", "raise", "warn", runs=False),
    Row("module-level if", "T = {}\nif True: T['a'] = 1\ndef main(): return T", "1", "2"),
    Row("module-level if with names", "if len('a') > 3: K = 1\nelse: K = 2\ndef main(): return K", "K = 2", "K = 3"),
    Row("condition of an if", "if 1: K = 1\nelse: K = 2\ndef main(): return K", "if 1", "if 0"),
    Row("module-level for", "T = {}\nfor i in (1, 2): T[i] = i\ndef main(): return T", "2)", "3)"),
    Row("module-level for that calls", "T = {}\ndef sq(i): return i * 1\nfor i in (1, 2): T[i] = sq(i)\ndef main(): return T", "* 1", "* 2"),
    Row("module-level while", "T = []\nwhile len(T) < 1: T.append(0)\ndef main(): return T", "< 1", "< 2"),
    Row("module-level with", "import contextlib\nwith contextlib.suppress(KeyError):\n    K = 1\ndef main(): return K", "1", "2"),
    Row("module-level try", "try: K = [][0]\nexcept IndexError: K = 1\ndef main(): return K", "K = 1", "K = 2"),
    Row("module-level match", "match 1:\n    case 1: K = 1\ndef main(): return K", "K = 1", "K = 2"),
    Row("names made by globals()", "for n in 'ab': globals()['k_' + n] = 1\ndef main(): return k_a", "1", "2"),
    Row("setattr", "import sys\nsetattr(sys.modules[__name__], 'k', 1)\ndef main(): return k", "1", "2"),
    Row("order of effects", "T = []\nT.append(1)\nT.append(2)\ndef main(): return T", "T.append(1)\nT.append(2)", "T.append(2)\nT.append(1)"),
    Row("order of an effect and what it uses", "T = []\ndef f(): T.append(K)\nK = 1\nf()\nK = 2\ndef main(): return T", "f()\nK = 2", "K = 2\nf()"),
    Row("getattr of the module", "import sys\ndef a(): return 1\ndef main(): return getattr(sys.modules[__name__], 'a')()", "1", "2"),
    Row("globals()", "def a(): return 1\ndef main(): return globals()['a']()", "1", "2"),
    Row("vars()", "import mrl_analyze\nk = 1\ndef main(): return vars(mrl_analyze)['k']", "1", "2"),
    Row("eval", "k = 1\ndef main(): return eval('k')", "1", "2"),
    Row("exec", "k = 1\ndef main():\n    d = dict(globals())\n    exec('r = k', d)\n    return d['r']", "k = 1", "k = 2"),
    Row("function globals", "k = 1\ndef main(): return main.__globals__['k']", "1", "2"),
    Row("query with a global", "import pandas as pd\nK = 1\ndef main(): return len(pd.DataFrame({'a': [1, 2]}).query('a == @K or a > @K'))", "K = 1", "K = 2"),
    Row("query put together", "import pandas as pd\nK = 1\ndef main(): return len(pd.DataFrame({'a': [1, 2]}).query('a > @' + 'K'))", "K = 1", "K = 2"),
    Row("module __doc__", '"""one"""\ndef main(): return __doc__', "one", "two"),
    Row("function __doc__", 'def g():\n    "one"\ndef main(): return g.__doc__', "one", "two"),
    Row("source", "import inspect\ndef g(): return 0  # one\ndef main(): return inspect.getsource(g)", "one", "two"),
    Row("lru_cache", "import functools\n@functools.lru_cache(maxsize=None)\ndef g(): return 1\ndef main(): return g()", "1", "2"),
    Row("name shadows a builtin", "def main(): return len('abc')", "def main", "def len(x): return 7\ndef main"),
    Row("missing name", "def main():\n    try: return K\n    except NameError: return 0", "def main", "K = 1\ndef main"),
    Row("another library under the same name", "from math import sin as f\ndef main(): return f(1)", "sin", "cos"),
    Row("another module under the same name", "import math as m\ndef main(): return m.sqrt(-1 + 1j) if hasattr(m, 'phase') else 0", "math as", "cmath as"),
    Row("import for its effects", "import mpl_toolkits.mplot3d\ndef main(): return 0", "import mpl_toolkits.mplot3d\n", "", runs=False),
    Row("data file read at import", "import json, pathlib\nD = json.loads(pathlib.Path(__file__).with_name('a.json').read_text())\ndef main(): return D", "a.json", "b.json", others={"a.json": "1", "b.json": "2"}),
    Row("data file read at import, without using it", "import json\nD = json.load(open('a.json'))\ndef main(): return 0", "a.json", "b.json", others={"a.json": "1", "b.json": "2"}, runs=False),
    Row("TYPE_CHECKING with a value of its own", "TYPE_CHECKING = 1\nif TYPE_CHECKING: K = 1\ndef main(): return K", "K = 1", "K = 2"),
    Row("else of TYPE_CHECKING", "from typing import TYPE_CHECKING\nif TYPE_CHECKING: pass\nelse: K = 1\ndef main(): return K", "K = 1", "K = 2"),
    Row("order of a read and an effect", "T = [1]\nB = T[0]\nT[0] = 2\ndef main(): return B", "B = T[0]\nT[0] = 2", "T[0] = 2\nB = T[0]"),
    Row("order of a default and an effect", "T = [1]\ndef main(x=T[0]): return x\nT[0] = 2", "def main(x=T[0]): return x\nT[0] = 2", "T[0] = 2\ndef main(x=T[0]): return x"),
    Row("order of a call and what it reads", "A = 1\ndef f(): return A\nB = f()\nA = 2\ndef main(): return B", "B = f()\nA = 2", "A = 2\nB = f()"),
    Row("order of a star and a name", "K = 2\nfrom helpers import *\ndef main(): return K", "K = 2\nfrom helpers import *", "from helpers import *\nK = 2", others={"helpers.py": "K = 1"}),
    Row("order of a from import and an effect", "import helpers\nfrom helpers import K\nhelpers.K = 2\ndef main(): return K", "from helpers import K\nhelpers.K = 2", "helpers.K = 2\nfrom helpers import K", others={"helpers.py": "K = 1"}),
    Row("registry by a partial decorator", "import functools\nR = []\ndef reg(n, f): R.append(n)\n@functools.partial(reg, 1)\ndef a(): return 0\ndef main(): return R", "reg, 1", "reg, 2"),
    Row("registry by a decorator factory that swaps", "R = []\ndef reg(f): R.append(f())\ndef d(n):\n    def e(f): return f\n    e = reg\n    return e\n@d(0)\ndef a(): return 1\ndef main(): return R", "return 1", "return 2"),
    Row("registry by an element of a table", "class R:\n    a = []\n    @classmethod\n    def get(cls, x): cls.a.append(x)\nD = {'r': R}\n_ = D.get('r').get(1)\ndef main(): return R.a", "get(1)", "get(2)"),
    Row("registry by a keyword", "import types\nR = []\ndef reg(x): R.append(x)\ns = types.SimpleNamespace(get=reg)\n_ = s.get(1)\ndef main(): return R", "get(1)", "get(2)"),
    Row("registry by formatting", "R = []\nclass F:\n    def __init__(self, x): self.x = x\n    def __format__(self, _):\n        R.append(self.x)\n        return ''\nf = F(1)\ns = f'{f}'\ndef main(): return R", "F(1)", "F(2)"),
    Row("registry by module __getattr__", "import helpers\nX = helpers.one\ndef main(): return helpers.R", "one", "two", others={"helpers.py": "R = []\ndef __getattr__(n):\n    if n != 'R': R.append(n)"}),
    Row("defaultdict read", "import collections\nD = collections.defaultdict(int)\nX = D['a']\ndef main(): return dict(D)", "'a'", "'b'"),
    Row("nonlocal", "K = 1\ndef main():\n    x = 0\n    def f():\n        nonlocal x\n        x = K\n    f()\n    return x", "K = 1", "K = 2"),
    Row("generator", "K = 1\ndef g(): yield K\ndef main(): return list(g())", "1", "2"),
    Row("async helper", "import asyncio\nasync def g(): return 1\ndef main(): return asyncio.run(g())", "return 1", "return 2"),
    Row("lambda default", "K = 1\ndef main(): return (lambda x=K: x)()", "1", "2"),
    Row("table of functions", "def a(): return 1\nT = {'a': a}\ndef main(n='a'): return T[n]()", "1", "2"),
    Row("attribute of the function", "def main(): return main.k\nmain.k = 1", "1", "2"),
    Row("locals() with an import", "def main():\n    import helpers\n    return locals()['helpers'].g()", "K = 1", "K = 2", "helpers.py", {"helpers.py": "K = 1\ndef g(): return K"}),
    Row("syntax error", "def main(): return 1", "1", "(", runs=False),
    Row("registry by an enum", "import enum\nR = []\nclass E(enum.Enum):\n    A = 1\n    def __init__(self, x): R.append(x)\ndef main(): return R", "A = 1", "A = 2"),
    Row("registry by a mixin of an enum", "import enum\nR = []\nclass B:\n    def __init__(self, x): R.append(x)\nclass E(B, enum.Enum): A = 1\ndef main(): return R", "A = 1", "A = 2"),
    Row("registry by __class_getitem__", "class A:\n    a = []\n    def __class_getitem__(cls, x): cls.a.append(x)\nX = A[1]\ndef main(): return A.a", "A[1]", "A[2]"),
    Row("registry by an assigned __init_subclass__", "R = []\nclass B: __init_subclass__ = classmethod(lambda cls: R.append(cls.k))\nclass C(B): k = 1\ndef main(): return R", "k = 1", "k = 2"),
    Row("registry by an assigned __init__", "R = []\ndef init(self, x): R.append(x)\nclass A: __init__ = init\na = A(1)\ndef main(): return R", "A(1)", "A(2)"),
    Row("registry by a property", "class C:\n    n = 0\n    @property\n    def new(self):\n        self.n += 1\n        return self.n\nc = C()\nA = c.new\nB = c.new\ndef main(): return B", "A = c.new", "A = 0"),
    Row("registry by a special method", "R = []\nclass A:\n    def __len__(self): return R.append(1) or 3\na = A()\nX = len(a)\ndef main(): return R", "len(a)", "3"),
    Row("registry by asking for truth", "R = []\nclass A:\n    def __bool__(self): return R.append(1) or True\na = A()\nX = a or 0\ndef main(): return R", "a or 0", "0"),
    Row("registry by __set_name__ of a constant", "R = []\nclass F:\n    def __set_name__(self, o, n): R.append(n)\nf = F()\nclass A: x = f\ndef main(): return R", "x = f", "y = f"),
    Row("registry by an import through module __getattr__", "from helpers import R, one\ndef main(): return R", "one", "two", others={"helpers.py": "R = []\ndef __getattr__(n):\n    if n[0] != '_': R.append(n)"}),
    Row("array written into", "import numpy as np\nA = np.zeros(3)\nB = np.exp(np.ones(3), A)\ndef main(): return A.tolist()", "np.ones", "np.zeros"),
    Row("array written into by a keyword", "import numpy as np\nA = np.zeros(3)\nB = np.exp(np.ones(3), out=A)\ndef main(): return A.tolist()", "np.ones", "np.zeros"),
    Row("__doc__ by getattr", "def g():\n    'one'\ndef main(): return getattr(g, '__doc__')", "one", "two"),
    Row("constants of the code", "def g():\n    'one'\ndef main(): return g.__code__.co_consts", "one", "two"),
    Row("__annotations__ of the module", "K: int = 1\ndef main(): return str(__annotations__)", "int", "float"),
    Row("pandas.eval", "import pandas as pd\nK = 1\ndef main(): return pd.eval('K + 1')", "K = 1", "K = 2"),
    Row("type hints of an alias", "import dataclasses, typing\nclass C: k = 1\nA = typing.Optional['C']\n@dataclasses.dataclass\nclass D: c: A\ndef main(): return typing.get_type_hints(D)['c'].__args__[0].k", "k = 1", "k = 2"),
    Row("order of names in globals()", "def p_b(): return 1\ndef p_a(): return 2\ndef main(): return [f() for n, f in globals().items() if n[:2] == 'p_']", "def p_b(): return 1\ndef p_a(): return 2", "def p_a(): return 2\ndef p_b(): return 1"),
    Row("order of __subclasses__", "class B: pass\nclass X(B): pass\nclass Y(B): pass\ndef main(): return [c.__name__ for c in B.__subclasses__()]", "class X(B): pass\nclass Y(B): pass", "class Y(B): pass\nclass X(B): pass"),
    Row("huge number", f"K = 0x1{'0' * 5000}\ndef main(): return K & 15", "0\n", "1\n"),
]

H = {"helpers.py": "K = 1\ndef g(): return K\ndef h(): return 0\nclass B:\n    def m(self): return K\n"}
PKG = {"pkg/__init__.py": "", "pkg/sub.py": "K = 1\ndef g(): return K\n"}


def helper(name: str, text: str, file: str = "helpers.py", others: dict[str, str] = H, runs: bool = True) -> Row:
    """A row whose edit is K = 2 in a module beside mrl_analyze.py."""
    return Row(name, text, "K = 1", "K = 2", file, others, runs)


SEEN += [
    helper("import helpers", "import helpers\ndef main(): return helpers.g()"),
    helper("import as", "import helpers as h\ndef main(): return h.g()"),
    helper("from import", "from helpers import g\ndef main(): return g()"),
    helper("from import as", "from helpers import g as k\ndef main(): return k()"),
    helper("constant of a module", "import helpers\ndef main(): return helpers.K"),
    helper("import in the function", "def main():\n    import helpers\n    return helpers.g()"),
    helper("from import in the function", "def main():\n    from helpers import g as k\n    return k()"),
    helper("import in an outer function", "def main():\n    import helpers as k\n    def f(): return k.g()\n    return f()"),
    helper("import in a class", "class A:\n    import helpers as k\n    x = k.g()\ndef main(): return A.x"),
    helper("import of a class attribute", "class A:\n    from helpers import g\ndef main(): return A.g()"),
    helper("star import", "from helpers import *\ndef main(): return g()"),
    helper("star import of all but", "from helpers import *\ndef main(): return g()", others={"helpers.py": "__all__ = ['g']\nK = 1\ndef g(): return K"}),
    helper("import in a try", "try: import helpers\nexcept ImportError: helpers = None\ndef main(): return helpers.g()"),
    helper("import in an if", "import sys\nif sys.version_info > (3,): from helpers import g\nelse: from math import g\ndef main(): return g()"),
    helper("module passed on", "import helpers\ndef f(m): return m.g()\ndef main(): return f(helpers)"),
    helper("getattr(helpers, name)", "import helpers\ndef main(): return getattr(helpers, 'g')()"),
    helper("module in a table", "import helpers\nT = [helpers]\ndef main(): return T[0].g()"),
    helper("vars(helpers)", "import helpers\ndef main(): return vars(helpers)['g']()"),
    helper("helpers.__dict__", "import helpers\ndef main(): return helpers.__dict__['g']()"),
    helper("base class in another module", "import helpers\nclass A(helpers.B): pass\ndef main(): return A().m()"),
    helper("decorator in another module", "from helpers import d\n@d\ndef main(): return 0", others={"helpers.py": "K = 1\ndef d(f): return lambda: K"}),
    helper("registry in another module", "import helpers, plugins\ndef main(): return [f() for f in helpers.R]", "plugins.py", {"helpers.py": "R = []", "plugins.py": "from helpers import R\ndef p():\n    K = 1\n    return K\nR.append(p)"}),
    helper("effects of an imported module", "import helpers, other\ndef main(): return helpers.T", "other.py", {"helpers.py": "T = []", "other.py": "import helpers\nK = 1\nhelpers.T.append(K)"}),
    helper("effects of an import of an import", "import a\nfrom helpers import T\ndef main(): return T", "b.py", {"helpers.py": "T = []", "a.py": "import b", "b.py": "import helpers\nK = 1\nhelpers.T.append(K)"}),
    helper("effects of an import in a function", "import helpers\ndef main():\n    import other\n    return helpers.T", "other.py", {"helpers.py": "T = []", "other.py": "import helpers\nK = 1\nhelpers.T.append(K)"}),
    helper("effects of a package", "import pkg.sub\nimport helpers\ndef main(): return helpers.T", "pkg/__init__.py", {"helpers.py": "T = []", "pkg/__init__.py": "import helpers\nK = 1\nhelpers.T.append(K)", "pkg/sub.py": ""}),
    helper("monkeypatch", "import helpers, patch\ndef main(): return helpers.g()", "patch.py", {"helpers.py": "def g(): return 0", "patch.py": "import helpers\nK = 1\nhelpers.g = lambda: K"}),
    Row("order of imports with effects", "import a\nimport b\nimport t\ndef main(): return t.T", "import a\nimport b", "import b\nimport a", others={"t.py": "T = []", "a.py": "import t\nt.T.append(1)", "b.py": "import t\nt.T.append(2)"}),
    helper("import pkg.sub", "import pkg.sub\ndef main(): return pkg.sub.g()", "pkg/sub.py", PKG),
    helper("import pkg.sub as", "import pkg.sub as s\ndef main(): return s.g()", "pkg/sub.py", PKG),
    helper("from pkg import sub", "from pkg import sub\ndef main(): return sub.g()", "pkg/sub.py", PKG),
    helper("from pkg.sub import", "from pkg.sub import g\ndef main(): return g()", "pkg/sub.py", PKG),
    helper("import pkg in the function", "def main():\n    import pkg.sub\n    return pkg.sub.g()", "pkg/sub.py", PKG),
    helper("namespace package", "import ns.sub\ndef main(): return ns.sub.g()", "ns/sub.py", {"ns/sub.py": PKG["pkg/sub.py"]}),
    helper("submodule imported elsewhere", "import pkg, other\ndef main(): return pkg.sub.g()", "pkg/sub.py", {**PKG, "other.py": "import pkg.sub"}),
    helper("getattr(pkg, name)", "import pkg.sub\ndef main(): return getattr(pkg, 'sub').g()", "pkg/sub.py", PKG),
    helper("re-exported through __init__", "import pkg\ndef main(): return pkg.g()", "pkg/sub.py", {**PKG, "pkg/__init__.py": "from .sub import g"}),
    helper("re-exported, from import", "from pkg import g\ndef main(): return g()", "pkg/sub.py", {**PKG, "pkg/__init__.py": "from pkg.sub import g"}),
    helper("re-exported by a star", "from pkg import g\ndef main(): return g()", "pkg/sub.py", {**PKG, "pkg/__init__.py": "from .sub import *"}),
    helper("from . import", "import pkg.a\ndef main(): return pkg.a.f()", "pkg/sub.py", {**PKG, "pkg/a.py": "from . import sub\ndef f(): return sub.g()"}),
    helper("from .. import", "import pkg.q.a\ndef main(): return pkg.q.a.f()", "pkg/sub.py", {**PKG, "pkg/q/__init__.py": "", "pkg/q/a.py": "from ..sub import g\ndef f(): return g()"}),
    helper("star of a package with modules in __all__", "from pkg import *\ndef main(): return sub.g()", "pkg/sub.py", {**PKG, "pkg/__init__.py": "__all__ = ['sub']"}),
    helper("chain through modules", "import a\ndef main(): return a.helpers.g()", others={**H, "a.py": "import helpers"}),
    helper("circular imports", "import helpers\nZ = 5\ndef main(): return helpers.g()", others={"helpers.py": "import mrl_analyze\nK = 1\ndef g(): return K + mrl_analyze.Z"}),
    helper("module __getattr__", "import helpers\ndef main(): return helpers.anything", others={"helpers.py": "K = 1\ndef __getattr__(name): return K"}),
    helper("sys.path.insert", "import sys, os\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'lib'))\nimport tool\ndef main(): return tool.g()", "lib/tool.py", {"lib/tool.py": H["helpers.py"]}),
    helper("sys.path, a relative folder", "import sys\nsys.path.append('lib/py')\nfrom tool import g\ndef main(): return g()", "lib/py/tool.py", {"lib/py/tool.py": H["helpers.py"]}),
    helper("sys.path by a constant", "import sys\nfrom sys import path as p\nLIB = 'lib'\np[:0] = [LIB]\nimport tool\ndef main(): return tool.g()", "lib/tool.py", {"lib/tool.py": H["helpers.py"]}),
    helper("sys.path in another module", "import setup_path\nimport tool\ndef main(): return tool.g()", "lib/tool.py", {"setup_path.py": "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parent / 'lib'))", "lib/tool.py": H["helpers.py"]}),
    helper("sys.path in the function", "def main():\n    import sys\n    sys.path.insert(0, 'lib')\n    import tool\n    return tool.g()", "lib/tool.py", {"lib/tool.py": H["helpers.py"]}),
    helper("importlib, literal", "import importlib\ndef main(): return importlib.import_module('helpers').g()"),
    helper("importlib, start known", "import importlib\ndef main(): return importlib.import_module(f\"plug_{'a'}\").g()", "plug_a.py", {"plug_a.py": H["helpers.py"]}),
    helper("importlib, in a package", "import importlib\ndef main(): return importlib.import_module('pkg.' + 'sub').g()", "pkg/sub.py", PKG),
    helper("importlib, nothing known", "from importlib import import_module as im\nN = 'helpers'\ndef main(): return im(N).g()", others={**H, "some.libs/notes.txt": "", "0001/code/x.py": "("}),
    helper("__import__", "def main(): return __import__('helpers').g()"),
    helper("sys.modules", "import sys\nfrom helpers import h\ndef main(): return sys.modules['helpers'].g()"),
    helper("pickle", "import pickle\nfrom helpers import h\ndef main(): return pickle.loads(b'chelpers\\ng\\n.')()"),
    helper("eval reaches imported modules", "import helpers\ndef main(): return eval('helpers.g()')"),
    helper("helper with a syntax error", "import helpers\ndef main(): return 0", others={"helpers.py": "K = 1\ndef (:"}, runs=False),
    helper("sys.path in two steps", "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parent / 'lib' / 'py'))\nimport tool\ndef main(): return tool.g()", "lib/py/tool.py", {"lib/py/tool.py": H["helpers.py"]}),
    helper("sys.path in two statements", "import sys\nfrom pathlib import Path\nLIB = Path(__file__).parent / 'lib'\nsys.path.insert(0, str(LIB / 'py'))\nimport tool\ndef main(): return tool.g()", "lib/py/tool.py", {"lib/py/tool.py": H["helpers.py"]}),
    helper("sys.path by formatting", "import sys, os\nsys.path.insert(0, f'{os.path.dirname(__file__)}/lib')\nimport tool\ndef main(): return tool.g()", "lib/tool.py", {"lib/tool.py": H["helpers.py"]}),
    helper("sys.path by adding", "import sys, os\nsys.path.insert(0, os.path.dirname(__file__) + '/lib')\nimport tool\ndef main(): return tool.g()", "lib/tool.py", {"lib/tool.py": H["helpers.py"]}),
    helper("sys.path by format", "import sys, os\nsys.path.insert(0, '{}/lib'.format(os.path.dirname(__file__)))\nimport tool\ndef main(): return tool.g()", "lib/tool.py", {"lib/tool.py": H["helpers.py"]}),
    helper("nonlocal import", "def main():\n    h = None\n    def load():\n        nonlocal h\n        import helpers as h\n    load()\n    return h.g()"),
    helper("__import__ of a package's module", "def main(): return __import__('pkg', fromlist=['sub']).sub.g()", "pkg/sub.py", PKG),
    helper("module __getattr__ for a name that is bound in some case", "import helpers\ndef main(): return helpers.X", others={"helpers.py": "import os\nif 'X' in os.environ: X = 7\nK = 1\ndef __getattr__(n): return K"}),
    helper("module __getattr__ for the name of a module", "import pkg\ndef main(): return pkg.sub.K", "pkg/__init__.py", {"pkg/__init__.py": "import types\nK = 1\ndef __getattr__(n): return types.SimpleNamespace(K=K)", "pkg/sub.py": ""}),
    helper("a library's name in a folder added to sys.path", "import sys\nsys.path.append('lib')\nimport pickle\nfrom helpers import h\ndef main(): return pickle.loads(b'chelpers\\ng\\n.')()", others={**H, "lib/pickle.py": ""}),
    Row("__annotations__ of another module", "import helpers\ndef main(): return str(helpers.__annotations__)", "int", "float", "helpers.py", {"helpers.py": "K: int = 1"}),
    helper("sys.modules by getattr", "import sys\nfrom helpers import h\ndef main(): return getattr(sys, 'modules')['helpers'].g()"),
    helper("runpy, as __main__", "import runpy\ndef main(): return runpy.run_path('helpers.py', run_name='__main__')['K']", others={"helpers.py": "if __name__ == '__main__': K = 1"}),
    helper("logging.config", "import logging.config\nfrom helpers import R\ndef main():\n    logging.config.dictConfig({'version': 1, 'handlers': {'h': {'class': 'helpers.Own'}}, 'root': {'handlers': ['h']}})\n    logging.error('')\n    return R", others={"helpers.py": "import logging\nR = []\nclass Own(logging.Handler):\n    K = 1\n    def emit(self, r): R.append(self.K)"}),
    helper("timeit", "import timeit\nfrom helpers import R\ndef main():\n    timeit.timeit('R.append(K)', 'from helpers import R, K', number=1)\n    return R", others={"helpers.py": "R = []\nK = 1"}),
    Row("import that fails in a try", "try: from helpers import g\nexcept ImportError: g = lambda: 1\ndef main(): return g()", "math", "maths", "helpers.py", {"helpers.py": "import math\ndef g(): return 2\ndef unrelated(): return math.pi"}),
    Row("import that fails further on", "def main():\n    try: import helpers\n    except ImportError: return 1\n    return 2", "math", "maths", "other.py", {"helpers.py": "import other\ndef a(): return other", "other.py": "import math\ndef b(): return math"}),
    Row("import with an error that is caught", "import contextlib\nK = 1\nwith contextlib.suppress(Exception):\n    import helpers\n    K = 2\ndef main(): return K", "'3'", "'x'", "helpers.py", {"helpers.py": "A = int('3')"}),
    Row("module appears", "try: import helpers\nexcept ImportError: helpers = None\ndef main(): return helpers and helpers.g()", None, "def g(): return 1", "helpers.py"),
    Row("module is shadowed by a package", "import helpers\ndef main(): return helpers.g()", None, "def g(): return 7", "helpers/__init__.py", H),
    Row("name appears in a star", "from helpers import *\ndef main(): return len('abc')", "K = 1", "K = 1\ndef len(x): return 9", "helpers.py", H),
    Row("__all__", "def len2(): return 1\nfrom helpers import *\ndef main(): return len2()", "__all__ = []", "__all__ = ['len2']", "helpers.py", {"helpers.py": "__all__ = []\ndef len2(): return 2"}),
    Row("imported as main", "from helpers import main", "1", "2", "helpers.py", {"helpers.py": "def main(): return 1"}),
    Row("star-imported as main", "from helpers import *", "1", "2", "helpers.py", {"helpers.py": "def main(): return 1"}),
    Row("main made by globals()", "globals()['ma' + 'in'] = lambda: 1", "1", "2"),
]

PLAIN = "import numpy as np\nK = 1\nL = 2\ndef unrelated(): return L\nclass C: pass\ndef main(x=1):\n    y = K\n    return y\n"
UNSEEN = [
    Row("comment", PLAIN, "K = 1", "K = 1  # one"),
    Row("comment in the function", PLAIN, "    y = K", "    # why\n    y = K"),
    Row("docstring", PLAIN, "    y = K", '    """Docs."""\n    y = K'),
    Row("module docstring", PLAIN, "import numpy", '"""Docs."""\nimport numpy'),
    Row("docstring of a class", "class C:\n    'one'\n    k = 1\ndef main(): return C", "one", "two"),
    Row("formatting", PLAIN, "def main(x=1):\n    y = K", "def main(\n    x = 1,\n):\n\n    y = (K)"),
    Row("quotes", "def main(): return 'a' 'b'", "'a' 'b'", '"ab"'),
    Row("blank lines and line ends", PLAIN, "\n", "\r\n"),
    Row("unrelated function", PLAIN, "return L", "return L + 1"),
    Row("unrelated function added", PLAIN, "def main", "def another(): return 0\ndef main"),
    Row("unrelated constant", PLAIN, "L = 2", "L = 3"),
    Row("unrelated constant added", PLAIN, "L = 2", "L = 2\nM = {'a': [1, -2.5], 'b': (L, f'{L}')}"),
    Row("unrelated class", PLAIN, "class C: pass", "class C(Exception):\n    k: int = 3\n    def m(self): return main()"),
    Row("unrelated import", PLAIN, "import numpy as np", "import numpy as np\nimport os"),
    Row("order of functions", "def a(): return 1\ndef b(): return 2\ndef main(): return a() + b()", "def a(): return 1\ndef b(): return 2", "def b(): return 2\ndef a(): return 1"),
    Row("order of constants", "A = 1\nB = 2\ndef main(): return A + B", "A = 1\nB = 2", "B = 2\nA = 1"),
    Row("order of imports", "import os\nimport math\ndef main(): return math.pi, os.sep", "import os\nimport math", "import math, os"),
    Row("unrelated helper module", PLAIN, "1", "2", "helpers.py", H),
    Row("unrelated function of a helper module", "import helpers\ndef main(): return helpers.g()", "return 0", "return 1", "helpers.py", H),
    Row("unrelated method's module", "from helpers import g\ndef main(): return g()", "class B", "class Bee", "helpers.py", H),
    Row("user of the function", "def main(): return 1\ndef top(): return main() + 1", "+ 1", "+ 2"),
    Row("unrelated wrapped function", "import functools\ndef d(f):\n    @functools.wraps(f)\n    def w(): return f()\n    w.calls = 0\n    return w\n@d\ndef a(): return 1\n@d\ndef main(): return 2", "return 1", "return 3"),
    Row("unrelated function with a decorator with arguments", "def d(n):\n    def e(f):\n        def w(): return f() * n\n        return w\n    return e\n@d(1)\ndef a(): return 1\n@d(2)\ndef main(): return 2", "@d(1)", "@d(3)"),
    Row("unrelated cached function", "from functools import lru_cache\n@lru_cache\ndef a(): return 1\ndef main(): return 2", "1", "3"),
    Row("unrelated dataclass", "from dataclasses import dataclass, field\n@dataclass(frozen=True)\nclass C:\n    k: int = 1\n    l: list = field(default_factory=list)\nc = C(3)\ndef main(): return 2", "c = C(3)", "c = C(4)"),
    Row("unrelated pattern, path, array", "import re, os, numpy as np\nfrom pathlib import Path\nP = re.compile('a')\nQ = Path(__file__).parent / 'x'\nX = np.linspace(0, 1, 5) * 2\nN = 'a b'.split()\nD = dict(zip(N, 'cd'))\nE = os.environ.get('E', '1')\ndef main(): return 2", "'a'", "'b'"),
    Row("unrelated constants of calls", "import re, numpy as np\nP = re.compile('a')\nX = np.linspace(0, 1, 5)\nY = [len(n) for n in 'ab cd'.split()]\nZ = sorted(Y)\ndef main(): return 2", "0, 1, 5", "0, 1, 9"),
    Row("unrelated decorated by a helper module", "from helpers import d\n@d\ndef a(): return 1\ndef main(): return 2", "return 1", "return 3", others={"helpers.py": "import functools\ndef d(f):\n    @functools.wraps(f)\n    def w(*a, **k): return f(*a, **k)\n    return w"}),
    Row("unrelated enum", "import enum\nclass E(enum.Enum):\n    A = 1\ndef main(): return 2", "A = 1", "A = 3"),
    Row("fallback import", "try: import ujson as json\nexcept ImportError: import json\ndef a(): return json.dumps(1)\ndef main(): return 2", "ujson", "orjson"),
    Row("__main__ block", "def main(): return 1\nif __name__ == '__main__':\n    print(main())", "print(main())", "print(main(), 2)"),
    Row("TYPE_CHECKING block", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from helpers import B\ndef main(): return 1", "import B", "import B, g", others=H),
    Row("local under the name of a function", "def fig(): return 1\ndef main():\n    fig = 2\n    return fig", "1", "3"),
    Row("parameter under the name of a function", "def fig(): return 1\ndef main(fig=2): return fig", "1", "3"),
    Row("comprehension variable", "def i(): return 1\ndef main(): return [i for i in range(3)]", "1", "5"),
    Row("attribute under the name of a function", "def mean(): return 1\ndef main(x=[]): return x.mean()", "1", "5"),
    Row("function after an effect", "T = []\nT.append(1)\ndef a(): return 1\ndef main(): return T", "return 1", "return 2"),
    Row("__all__ of itself", "__all__ = ['main']\ndef main(): return 1", "['main']", "['main', 'a']"),
    Row("a file that is no module", PLAIN, "1", "2", "notes.txt", {"notes.txt": "1"}),
    Row("a module of an experiment's checkout", "import importlib\ndef main(n='helpers'): return importlib.import_module(n).K", "1", "2", "exp/one/code/x.py", {"exp/one/.mrl": "{}", "exp/one/code/x.py": "K = 1", **H}),
    Row("a module with another start", "import importlib\ndef main(n='a'): return importlib.import_module('plug_' + n).__name__", "1", "2", "train.py", {"train.py": "K = 1", "plug_a.py": ""}),
    Row("vars of an object", "L = 1\ndef main(x=0): return vars(x)", "L = 1", "L = 2"),
    Row("unrelated class of a named tuple", "from collections import namedtuple\nclass P(namedtuple('P', 'x y')):\n    def a(self): return 1\ndef main(): return 2", "return 1", "return 3"),
    Row("unrelated instance with a property", "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass C:\n    lr: float = 0.1\n    @property\n    def twice(self): return self.lr * 2\nc = C(0.5)\nd = c.twice if c.lr else 0\ndef main(): return 2", "C(0.5)", "C(0.6)"),
    Row("unrelated function of a module imported in a try", "try: import helpers\nexcept ImportError: helpers = None\ndef main(): return helpers.g()", "def h(): return 0", "def h(x, y=1): return 1\ndef i(): return 2", "helpers.py", H),
    Row("prefix of a string", "def main(): return 'a'", "'a'", "u'a'"),
    Row("pass", "def g():\n    'one'\ndef main(): return g()", "    'one'", "    pass"),
    Row("query without globals", "L = 1\ndef main(x=0): return x.query('a > @n')", "L = 1", "L = 2"),
]
# fmt: on


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def edit(root: Path, row: Row) -> None:
    path = root / row.file
    if row.old is None:
        write(root, {row.file: row.new})
        return
    text = path.read_bytes().decode()
    assert row.old in text
    path.write_bytes(text.replace(row.old, row.new).encode())


def digest(root: Path, function: str = "main") -> dict[str, str]:
    return CodeBase(root).digest(root / MAIN, function)


@pytest.mark.parametrize("row", SEEN, ids=lambda row: row.name)
def test_seen(row: Row, tmp_path: Path) -> None:
    write(tmp_path, {MAIN: row.text, **row.others})
    before = digest(tmp_path)
    edit(tmp_path, row)
    assert digest(tmp_path) != before


@pytest.mark.parametrize("row", UNSEEN, ids=lambda row: row.name)
def test_unseen(row: Row, tmp_path: Path) -> None:
    write(tmp_path, {MAIN: row.text, **row.others})
    before = digest(tmp_path)
    assert before
    edit(tmp_path, row)
    assert digest(tmp_path) == before


RUN_ALL = """
import json, os, sys
import numpy, pandas  # once, not in every fork
results = []
for folder in sys.argv[1:]:
    read, end = os.pipe()
    if not os.fork():
        os.chdir(folder)
        sys.path.insert(0, folder)
        try:
            import mrl_analyze
            result = repr(mrl_analyze.main())
        except BaseException as error:
            result = type(error).__name__
        os.write(end, result.split(" at 0x")[0].encode())
        os._exit(0)
    os.close(end)
    results.append(os.fdopen(read).read())
print(json.dumps(results))
"""


def test_the_table_is_true(tmp_path: Path) -> None:
    """What main returns differs by the edit in the one part of the table and is the same in the other."""
    rows = [row for row in [*SEEN, *UNSEEN] if row.runs]
    folders = []
    for number, row in enumerate(rows):
        for when in ("before", "after"):
            folder = tmp_path / str(number) / when
            write(folder, {MAIN: row.text, **row.others})
            folders.append(str(folder))
        edit(folder, row)
    env = {**os.environ, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, *folders], env=env, capture_output=True, text=True, check=True
    )
    results = iter(json.loads(done.stdout))
    for row in rows:
        before, after = next(results), next(results)
        assert before not in ("ModuleNotFoundError", "SyntaxError", "NameError", ""), row.name
        assert (before != after) is (row in SEEN), f"{row.name}: {before}, then {after}"


def test_parts_are_named_for_what_they_hold(tmp_path: Path) -> None:
    text = (
        "import helpers, plots\nK = 1\ndef main(n): return K + helpers.g() + getattr(plots, n)()\nL = []\nL.append(K)\n"
    )
    write(tmp_path, {MAIN: text, "plots.py": "def p(): return 1\n", **H})
    code = CodeBase(tmp_path)
    parts = code.digest(tmp_path / MAIN, "main")
    names = ["<module>", "K", "L", "helpers", "main", "plots"]
    assert list(parts) == ["helpers.py:K", "helpers.py:g", *(f"{MAIN}:{name}" for name in names), "plots.py"]
    assert all(len(digest) == 64 for digest in parts.values())
    assert [code.line(part) for part in parts] == [1, 2, 5, 2, 4, 1, 3, 1, 1]
    assert code.modules() == ["helpers.py", MAIN, "plots.py"]


def test_only_the_part_that_changed_differs(tmp_path: Path) -> None:
    write(tmp_path, {MAIN: "from helpers import g, h\ndef main(): return g() + h()\n", **H})
    before = digest(tmp_path)
    (tmp_path / "helpers.py").write_text("# moved\n" + H["helpers.py"].replace("K = 1", "K = 2"))
    after = digest(tmp_path)
    assert [part for part in after if after[part] != before.get(part)] == ["helpers.py:K"]
    assert CodeBase(tmp_path).line("helpers.py:K") == 2


def test_lines_of_what_is_gone_are_none(tmp_path: Path) -> None:
    write(tmp_path, {MAIN: "K = 1\n"})
    code = CodeBase(tmp_path)
    assert [code.line(part) for part in (f"{MAIN}:nothing", "gone.py:f", "gone.py", f"{MAIN}:<module>")] == [None] * 4


@pytest.mark.parametrize("row", [*SEEN, *UNSEEN], ids=lambda row: row.name)
def test_digest_does_not_depend_on_what_was_asked_before(row: Row, tmp_path: Path) -> None:
    write(tmp_path, {MAIN: row.text, **row.others})
    used = CodeBase(tmp_path)
    for path in sorted(tmp_path.rglob("*.py"), reverse=True):
        used.whole(path)
        for name in used.functions(path):
            used.digest(path, name)
    assert used.digest(tmp_path / MAIN, "main") == digest(tmp_path)


def test_digest_does_not_depend_on_hash_seed_or_place(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from metarunlog.engine.codedigest import CodeBase as C; p = pathlib.Path(sys.argv[1])\n"
    )
    code += "print([C(p).digest(p / 'mrl_analyze.py', 'main')])"
    found = set()
    for seed in "12":
        root = tmp_path / seed
        write(root, {MAIN: "import pkg.sub, helpers\ndef main(): return pkg.sub.g(), vars(helpers)", **PKG, **H})
        env = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", code, root], env=env, capture_output=True, text=True, check=True)
        found.add(run.stdout)
    assert len(found) == 1


def test_functions_and_has(tmp_path: Path) -> None:
    text = """
import os
import numpy as np
from functools import partial, lru_cache
from helpers import g as k
from pkg.sub import *
import pkg
try:
    from fast import quick
except ImportError:
    quick = None
async def waits(): pass
def plain(): pass
def _private(): pass
@lru_cache
def cached(): pass
short = lambda: 0
part = partial(plain, 1)
alias = plain
made = os.getenv
LIMIT = 3
class Table: pass
"""
    write(tmp_path, {MAIN: text, **H, **PKG})
    code = CodeBase(tmp_path)
    file = tmp_path / MAIN
    public = ["partial", "lru_cache", "k", "quick", "plain", "cached", "short", "part"]
    assert code.functions(file) == [*public, "K", "g"]
    assert all(code.has(file, name) for name in [*public, "g", "_private", "alias", "made", "Table"])
    assert not any(code.has(file, name) for name in ["waits", "nothing", "h", "*", "print"])
    assert code.functions(tmp_path / "absent.py") == [] and code.digest(tmp_path / "absent.py", "main")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x = 1\ndef main(:\n", f"{MAIN}:2: invalid syntax"),
        ("def f(): pass\nreturn 1\n", f"{MAIN}:2: 'return' outside function"),
        ("x = '\\d'\nx is 1\n", None),  # warnings are no errors
        ("def main(): pass\n", None),
    ],
)
def test_error_names_file_and_line(text: str, error: str | None, tmp_path: Path) -> None:
    write(tmp_path, {MAIN: text})
    code = CodeBase(tmp_path)
    assert code.error(tmp_path / MAIN) == error
    assert code.modules() == [MAIN]


def test_broken_files_count_by_their_bytes(tmp_path: Path) -> None:
    write(tmp_path, {MAIN: "import helpers, nulls\ndef main(): return helpers.g(), nulls.g()", "helpers.py": "def ("})
    (tmp_path / "nulls.py").write_bytes(b"x = 1\0\n")
    before = digest(tmp_path)
    assert {"helpers.py", "nulls.py"} < set(before)
    write(tmp_path, {"helpers.py": "def (  # comment"})
    assert {part for part, value in digest(tmp_path).items() if value != before[part]} == {"helpers.py"}


@pytest.mark.parametrize(
    "text",
    [
        f"import {'a' * 300}, helpers\ndef main(): return helpers.{'b' * 300}",
        f"import sys\nsys.path.append('lib')\nK = '{'数据' * 60}'\ndef main(): return K",
        "import importlib as i\ndef main(): return i.import_module('/etc'), i.import_module('a..b'), i.import_module('a\\0')",
        f"import importlib as i\ndef main(x): return i.import_module({'x + ' * 2000}x)",
        f"def main(): return {'lambda: ' * 700}1",
    ],
)
def test_odd_text_is_no_obstacle(text: str, tmp_path: Path) -> None:
    write(tmp_path, {MAIN: text, **H})
    assert f"{MAIN}:main" in digest(tmp_path) or MAIN in digest(tmp_path)


def test_many_texts_beside_sys_path_take_no_longer(tmp_path: Path) -> None:
    table = ", ".join(f"'s{i}': f('a', 'b{i}')" for i in range(5000))
    write(tmp_path, {MAIN: f"import sys\nsys.path.append('lib')\nK = {{{table}}}\ndef main(): return 0"})
    with at_most(1.5):
        digest(tmp_path)


def test_a_named_package_is_followed_through_a_link(tmp_path: Path) -> None:
    write(tmp_path, {"shared/plug/sub.py": "K = 1", f"project/{MAIN}": "def main(n): return __import__('plug.' + n)"})
    root = tmp_path / "project"
    (root / "plug").symlink_to("../shared/plug")
    (root / "loop").symlink_to(".")
    assert "plug/sub.py" in digest(root)


def test_extension_modules_count_by_their_bytes(tmp_path: Path) -> None:
    write(tmp_path, {MAIN: "import fast\ndef main(): return fast.g()", "fast.abi3.so": "1"})
    before = digest(tmp_path)
    write(tmp_path, {"fast.abi3.so": "2"})
    assert digest(tmp_path) != before


def test_modules_that_a_run_imported_count_whole(tmp_path: Path) -> None:
    write(tmp_path, {MAIN: "from helpers import g\ndef main(): return g()", "hidden.py": "K = 1", **H})
    seen = [tmp_path / "hidden.py", tmp_path / "helpers.py"]
    parts = CodeBase(tmp_path).digest(tmp_path / MAIN, "main", also=seen)
    assert set(parts) - set(digest(tmp_path)) == {"hidden.py"}


def test_a_failed_import_is_known_by_the_bytes_of_all_it_imports(tmp_path: Path) -> None:
    write(tmp_path, {MAIN: "import helpers, pkg.sub\ndef main(): return 0", "other.py": "", **H, **PKG})
    found = CodeBase(tmp_path).import_digest(tmp_path / MAIN)
    assert list(found) == ["helpers.py", MAIN, "pkg/__init__.py", "pkg/sub.py"]


def test_a_project_that_imports_nothing_is_read_alone(tmp_path: Path) -> None:
    write(tmp_path, {MAIN: PLAIN, **H})
    code = CodeBase(tmp_path)
    code.digest(tmp_path / MAIN, "main")
    assert code.modules() == [MAIN]


FUNCTION = """
def f{i}(x, y=3):
    z = [a * K{i} for a in x if a > y]
    return {{k: helpers{n}.f{i}(v) + np.mean(z) for k, v in enumerate(z)}}
K{i} = {i}
"""


def ring(root: Path, modules: int) -> int:
    """Calls that the digest of a function takes which reaches all modules of a project, each importing the next."""
    for number in range(modules):
        after = (number + 1) % modules
        functions = "".join(FUNCTION.format(i=i, n=after) for i in range(10))
        write(
            root,
            {f"helpers{number}.py": f"import numpy as np\nimport helpers{after}\nT = []\nT.append(1)\n{functions}"},
        )
    write(root, {MAIN: "import helpers0\ndef main(x): return helpers0.f0(x), helpers0.f9(x)\n"})
    counted, parts = calls(lambda: digest(root))
    assert len(parts) == 8 * modules + 2
    return counted


def test_time_grows_with_the_project_not_faster(tmp_path: Path) -> None:
    small, large = ring(tmp_path / "small", 30), ring(tmp_path / "large", 240)
    assert small < 30 * 10_000
    assert large < 8 * small * 1.2
