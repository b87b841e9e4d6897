"""How the operators' pages write times; all others say it in their templates."""
