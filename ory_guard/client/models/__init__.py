"""The models of Kratos' responses: flows, UI nodes, `continue_with` steps and the other results."""
