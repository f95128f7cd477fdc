"""Refusals as HTTP responses: status, headers, JSON, redirects and error pages."""
