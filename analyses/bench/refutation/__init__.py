"""Are relation-based and inventory-based counting two mechanisms? What would refute it."""
