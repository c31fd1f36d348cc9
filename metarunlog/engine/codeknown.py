"""What is known of functions outside the project: which change nothing when called, which look names up by text."""

from __future__ import annotations

import builtins
import sys
from enum import Enum

from metarunlog.engine.codeuses import Mark


def _dotted(names: dict[str, str]) -> frozenset[str]:
    return frozenset(f"{module}.{name}" for module, text in names.items() for name in text.split())


_UFUNC_NAMES = "cos deg2rad exp log log10 log2 sin sqrt tan"
UFUNCS = _dotted({"numpy": _UFUNC_NAMES})  # write into a second argument

# Calls that change neither their arguments nor anything else, and keep no iterator.
CALLS = _dotted(
    {
        "builtins": """abs all any ascii bin bool bytes chr classmethod complex dict divmod float format frozenset hex
            int isinstance issubclass len list max min object oct ord pow property range repr round set slice sorted
            staticmethod str sum tuple"""
        + " ".join([""] + [name for name in vars(builtins) if name.endswith(("Error", "Exception", "Warning"))]),
        "abc": "abstractmethod",
        "collections": "ChainMap Counter OrderedDict deque namedtuple",  # not defaultdict, which changes by being read
        "contextlib": "asynccontextmanager contextmanager",
        "dataclasses": "dataclass field",
        "datetime": "date datetime time timedelta timezone",
        "decimal": "Decimal",
        "enum": "Enum Flag IntEnum auto unique",
        "fractions": "Fraction",
        "json": "dumps loads",
        "logging": "getLogger",
        "numba": "jit njit vectorize",
        "numpy": _UFUNC_NAMES
        + """ arange array asarray dtype eye float32 float64 full geomspace int32 int64 linspace logspace ones uint8
            vectorize zeros""",
        "operator": "attrgetter itemgetter methodcaller",
        "os": "environ.get fspath getcwd getenv",
        "os.path": "abspath basename dirname exists expanduser isdir isfile join normpath realpath splitext",
        "pandas": "Categorical DataFrame Index Series Timedelta Timestamp",
        "pathlib": "Path PurePath PurePosixPath",
        "re": "compile escape",
        "string": "Template",
        "textwrap": "dedent",
        "torch": "inference_mode no_grad",
        "types": "MappingProxyType SimpleNamespace",
    }
)
# Calls that only keep their arguments: these may be anything.
KEEPING = _dotted(
    {
        "builtins": "callable",
        "functools": """cache cached_property cmp_to_key lru_cache partial singledispatch singledispatchmethod
            total_ordering wraps""",
    }
)
TABLES = _dotted({"builtins": "dict", "types": "SimpleNamespace"})  # keep their keyword arguments
CALLS_OF = ("math", "cmath", "typing")  # the same for every function of these modules
ITERATORS = frozenset(["builtins.zip", "builtins.enumerate", "builtins.reversed"])
ITERATORS_OF = ("itertools",)

# Methods that change nothing, on data.
_METHOD_NAMES = """absolute as_posix astype capitalize copy count decode difference encode endswith expanduser format
    get index intersection items join joinpath keys ljust lower lstrip most_common relative_to removeprefix removesuffix
    replace reshape resolve rjust rsplit rstrip split splitlines startswith strip title tolist transpose union upper
    values with_name with_suffix zfill"""
METHODS = frozenset(_METHOD_NAMES.split())
ELEMENT_METHODS = frozenset(["get", "items", "keys", "values", "most_common"])  # their results may be anything
# Dunder methods that a class may define while making its instances, and operators on them, stay without effect.
HARMLESS_METHODS = frozenset(["__repr__", "__str__", "__eq__", "__hash__", "__len__", "__format__"])
HARMLESS_ATTRIBUTES = frozenset(["__slots__", "__match_args__", "__doc__"])
METHOD_DECORATORS = frozenset(
    ["abc.abstractmethod", "builtins.classmethod", "builtins.staticmethod", "functools.cache", "functools.lru_cache"]
)
NAMING_ATTRIBUTES = frozenset(["__name__", "__qualname__", "__module__"])

_DATA = _dotted({"builtins": "bytes dict float frozenset int list range repr set sorted str tuple", "re": "escape"})
_BASES = frozenset(["torch.nn.Module", "torch.utils.data.Dataset"])


def changes_nothing(dotted: str) -> bool:
    """Whether a call of this function is known to have no effect."""
    return dotted in CALLS or dotted in KEEPING or dotted.split(".")[0] in CALLS_OF


def makes_data(dotted: str) -> bool:
    """Whether what this function returns has no methods but those of data, whatever it was given."""
    return dotted in _DATA or dotted.startswith(("pathlib.", "os.path.", "numpy."))


def calls_later(dotted: str) -> bool:
    """Whether what this function returns calls what the function was given."""
    return dotted == "functools.partial" or dotted.startswith("operator.")


def makes_iterator(dotted: str) -> bool:
    return dotted in ITERATORS or dotted.split(".")[0] in ITERATORS_OF


def plain_base(dotted: str) -> bool:
    """Whether to derive a class from this one registers nothing."""
    return is_standard(dotted) or dotted in _BASES


def is_enum(dotted: str) -> bool:
    return dotted.startswith("enum.")


def is_standard(dotted: str) -> bool:
    return dotted.split(".")[0] in sys.stdlib_module_names


class Import(Enum):
    """Functions that import a module by its name in a string."""

    BY_NAME = "the name is the first argument"
    ANY = "the name may be any"


# Longest known start of the dotted name; None where such use is harmless.
_BY_TEXT: dict[str, Mark | Import | tuple[Mark | Import, ...] | None] = {
    "builtins.__annotations__": Mark.SELF,
    "builtins.eval": Mark.LOADED,
    "builtins.exec": Mark.LOADED,
    "builtins.globals": Mark.SELF,
    "builtins.vars": Mark.SELF,
    "builtins.dir": Mark.SELF,
    "builtins.locals": Mark.SELF,
    "builtins.help": Mark.DOCS,
    "builtins.__builtins__": Mark.LOADED,
    "builtins.__import__": Import.BY_NAME,
    "__main__": Mark.LOADED,
    "sys.modules": Mark.LOADED,
    "sys._getframe": Mark.LOADED,
    "sys._current_frames": Mark.LOADED,
    "sys.meta_path": Import.ANY,
    "sys.path_hooks": Import.ANY,
    "gc": Mark.LOADED,
    "inspect": Mark.LOADED,
    "inspect.signature": None,
    "inspect.Parameter": None,
    "inspect.isfunction": None,
    "inspect.isclass": None,
    "inspect.cleandoc": None,
    "inspect.getdoc": Mark.DOCS,
    "inspect.getsource": Mark.SOURCE,
    "inspect.getsourcelines": Mark.SOURCE,
    "inspect.findsource": Mark.SOURCE,
    "inspect.getcomments": Mark.SOURCE,
    "linecache": Mark.SOURCE,
    "pickle": Mark.LOADED,
    "pickle.dump": None,
    "pickle.dumps": None,
    "dill": Mark.LOADED,
    "cloudpickle": Mark.LOADED,
    "joblib": Mark.LOADED,
    "joblib.Parallel": None,
    "joblib.delayed": None,
    "shelve": Mark.LOADED,
    "marshal": Mark.LOADED,
    "pandas.read_pickle": Mark.LOADED,
    "torch.load": Mark.LOADED,
    "yaml.Loader": Mark.LOADED,
    "yaml.UnsafeLoader": Mark.LOADED,
    "yaml.unsafe_load": Mark.LOADED,
    "yaml.unsafe_load_all": Mark.LOADED,
    "code": Mark.LOADED,
    "doctest": Mark.SOURCE,
    "unittest": Mark.LOADED,
    "numexpr": Mark.SELF,
    "patsy": Mark.SELF,
    "formulaic": Mark.SELF,
    "statsmodels": Mark.SELF,
    "importlib": Import.ANY,
    "importlib.import_module": Import.BY_NAME,
    "importlib.reload": None,
    "importlib.resources": None,
    "importlib.metadata": None,
    "imp": Import.ANY,
    "runpy": (Import.ANY, Mark.SOURCE),  # the source, because of `if __name__ == "__main__"`
    "pkgutil": Import.ANY,
    "pydoc": (Import.ANY, Mark.DOCS),
    "hydra.utils": Import.ANY,
    "logging.config": Mark.LOADED,
    "timeit": Mark.LOADED,
    "typing.get_type_hints": Mark.LOADED,
    "pandas.eval": Mark.SELF,
    "duckdb": Mark.SELF,
    "plotnine": Mark.SELF,
}


def by_text(dotted: str) -> tuple[Mark | Import, ...]:
    """What the use of a name outside the project makes unknowable."""
    while dotted and dotted not in _BY_TEXT:
        dotted = dotted.rpartition(".")[0]
    kinds = _BY_TEXT.get(dotted)
    return kinds if isinstance(kinds, tuple) else (kinds,) if kinds else ()
