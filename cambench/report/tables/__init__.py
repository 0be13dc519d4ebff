"""Tables: from records to rows of cells, before anyone draws them."""
