"""The operations, one class for each subject; `FrontendClient` joins them.

Every operation asks for JSON and raises `KratosUnavailable` or one of its kinds where Kratos can't answer, and
`ValueError` for a value that can't be sent; what else it raises stands beside it.
"""
