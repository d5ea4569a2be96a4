"""From filters and orders (RFC 7644 §3.4.2) to conditions on rows."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import reduce
from operator import and_, or_
from typing import Any

from scim2_models import AttributeBinding, InvalidFilterException, ScimFilter, SearchRequest
from scim2_models.path import (
    AttrPath,
    Comparison,
    FilterVisitor,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)
from scim2_models.path.expressions import STRING_OPERATORS
from scim2_models.path.resolution import coerce_value

from issuer.admin.scim.schemas import MAX_RESULTS
from issuer.database.conditions import NEVER, Attribute, Condition, Value
from issuer.fields.text import is_storable

_MAX_FILTER = 4_096  # characters
_LATEST = 2**31  # of rows before a page
_DEFAULT_COUNT = 100


class Searched(ABC):
    """What filters and orders of one kind of resources are about."""

    @abstractmethod
    def condition(self, name: str, operator: str, value: Value) -> Condition:
        """`name` is an attribute, as in `name.givenName`, with its schema where that is another.

        `InvalidFilterException` for an attribute that cannot be compared.
        """

    @abstractmethod
    def sorted_by(self, name: str) -> Attribute:
        """What rows are sorted by; `InvalidFilterException` likewise."""


def read_search(model: Any, sent: Mapping[str, Any]) -> SearchRequest[Any]:
    """The parameters of a query or the body of a search."""
    text = sent.get("filter")
    if isinstance(text, str) and len(text) > _MAX_FILTER:
        raise InvalidFilterException(detail=f"A filter may have {_MAX_FILTER} characters.")
    search: SearchRequest[Any] = SearchRequest[model].model_validate(sent)
    search.start_index = min(search.start_index or 1, _LATEST)
    search.count = min(_DEFAULT_COUNT if search.count is None else search.count, MAX_RESULTS)
    return search


def condition_of(model: Any, search: SearchRequest[Any], searched: Searched) -> Condition | None:
    """The filter of the search; attributes that the model does not have equal nothing."""
    if search.filter is None:
        return None
    bound = ScimFilter[model](str(search.filter))
    return _Conditions(bound, searched).visit(bound.ast)


def order_of(model: Any, search: SearchRequest[Any], searched: Searched) -> Attribute | None:
    """What the search sorts by."""
    binding = search.sort_binding(model)
    return None if binding is None else searched.sorted_by(_name(binding, model))


class _Conditions(FilterVisitor[Condition]):
    """`within` is the attribute whose values are selected: `emails[…]`."""

    def __init__(
        self, bound: ScimFilter[Any], searched: Searched, within: AttrPath | None = None
    ) -> None:
        self._bound = bound
        self._searched = searched
        self._within = within

    def visit_comparison(self, node: Comparison) -> Condition:
        path = self._path(node.attr_path)
        binding = self._bound.resolve_comparison(path, strict=False)
        if binding is None:
            return NEVER
        if node.op in STRING_OPERATORS and not isinstance(node.value, str):
            raise InvalidFilterException(detail=f"The operator {node.op} compares texts.")
        value = _check(coerce_value(binding, node.value, node.op))
        return self._searched.condition(_name(binding, self._bound.model), node.op.value, value)

    def visit_present(self, node: Present) -> Condition:
        binding = self._bound.resolve(self._path(node.attr_path), strict=False)
        if binding is None:
            return NEVER
        return self._searched.condition(_name(binding, self._bound.model), "pr", None)

    def visit_not(self, node: Not) -> Condition:
        return ~self.visit(node.expr)

    def visit_logical_expr(self, node: LogicalExpr) -> Condition:
        joined = and_ if node.op is LogicalOperator.and_ else or_
        return reduce(joined, map(self.visit, node.terms))

    def visit_value_path(self, node: ValuePath) -> Condition:
        return _Conditions(self._bound, self._searched, node.attr_path).visit(node.val_filter)

    def _path(self, path: AttrPath) -> AttrPath:
        if self._within is None:
            return path
        return AttrPath(self._within.attr, path.attr, self._within.uri)


def _name(binding: AttributeBinding, model: Any) -> str:
    return binding.urn.removeprefix(f"{model.__schema__}:")


def _check(value: Any) -> Value:
    """A value that both databases can compare."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    if isinstance(value, str) and not is_storable(value):
        raise InvalidFilterException(detail="The filter has characters that no value has.")
    return str(value) if isinstance(value, str) else value  # no enumeration, no reference
