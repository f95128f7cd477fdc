"""Web hooks: the requests that Kratos sends to applications before and after flows."""
