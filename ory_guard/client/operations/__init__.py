"""The operations of `FrontendClient`, one class per subject.

Every operation requests JSON. It raises `KratosUnavailable` or one of its subclasses if Kratos fails, and
`ValueError` if an argument cannot be sent. The other errors are listed with each operation.
"""
