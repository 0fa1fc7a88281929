"""Which expressions of a loop nest can be computed sixteen at a time, and which need statements before them."""

from __future__ import annotations

from kaoken.emit.loop_block import Block
from kaoken.emit.nests import Nest, offset_of
from kaoken.emit.vector_code import has_lanes, loaded, rounded
from kaoken.ir.dims import Dim, Symbol, dim, is_nonnegative, product
from kaoken.ir.expr import Apply, Expr, Read, Reduce, Select, children, extent_of, reads


class LaneRules:
    """Questions about a nest's expressions, and what of them locals of the block already hold."""

    nest: Nest
    block: Block

    def along(self, node: Expr, symbol: Symbol) -> bool:
        """Whether memory is read as it lies along an axis, wherever the expression reads by it."""
        offsets = [offset_of(r) for r in reads(node)]
        return all(symbol.name not in self.nest.axes_of_dim(o) or self.steps_by_one(o, symbol) for o in offsets)

    def steps_by_one(self, offset: Dim, symbol: Symbol) -> bool:
        return symbol.name not in self.nest.axes_of_dim(offset - dim(symbol))

    def has_lanes(self, node: Expr, symbol: Symbol, guarded: bool = False, reducing: bool = False) -> bool:
        """Whether sixteen successive elements along an axis can be computed on lanes.

        Where a mask chooses between lanes (`guarded`), both sides are computed, so that reads must lie inside for both.
        """
        if node in self.block.lanes:
            return True
        if symbol.name not in self.nest.axes_of(node):
            statements = self.needs_statements(node) if guarded or reducing else False
            return node.dtype == "float32" and not statements and (not guarded or self._reads_inside(node))
        read, kept = loaded(node), rounded(node)
        if read is not None:
            inside = not guarded or (self._reads_inside(read) and not self.needs_statements(read))
            return inside and self.steps_by_one(offset_of(read), symbol)
        if kept is not None:
            return self.has_lanes(kept, symbol, guarded, reducing)
        if isinstance(node, Apply):
            capable = has_lanes(node.function, node.arguments[0].dtype)
            return capable and all(self.has_lanes(a, symbol, guarded, reducing) for a in node.arguments)
        if isinstance(node, Select):
            return node.dtype == "float32" and self._select_has_lanes(node, symbol, guarded, reducing)
        if isinstance(node, Reduce):
            fixed = all(symbol.name not in self.nest.axes_of_dim(extent_of(a)) for a in node.axes)
            return fixed and not guarded and node.dtype == "float32" and self.has_lanes(node.body, symbol, False, True)
        return False

    def _select_has_lanes(self, node: Select, symbol: Symbol, guarded: bool, reducing: bool) -> bool:
        branches = (node.then, node.otherwise)
        if symbol.name not in self.nest.axes_of(node.condition):
            plain = not any(map(self.needs_statements, (node.condition, *branches)))
            return plain and all(self.has_lanes(b, symbol, guarded, reducing) for b in branches)
        return self.has_lanes(node.condition, symbol, guarded, reducing) and all(
            self.has_lanes(b, symbol, True, reducing) for b in branches
        )

    def _reads_inside(self, node: Expr) -> bool:
        """Whether every read provably lies inside its tensor, whatever a guard would say."""
        if isinstance(node, Read):
            offset = offset_of(node)
            return is_nonnegative(offset) and is_nonnegative(product(node.value.shape) - 1 - offset)
        return all(map(self._reads_inside, children(node)))

    def needs_statements(self, node: Expr) -> bool:
        """Whether an expression needs locals first: a reduction, or an index from data."""
        if node in self.block.known or node in self.block.lanes:
            return False
        if isinstance(node, Reduce):
            return True
        if isinstance(node, Read):
            return any(s not in self.block.defined for s in self.nest.needed_indices(offset_of(node)))
        return any(map(self.needs_statements, children(node)))
