"""How good a model is: cases through the agent's own path, compared with what is known of them."""
