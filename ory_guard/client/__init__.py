"""The complete client of Kratos' `FrontendApi` (v26.2.0, 32 operations): typed, async, no cookie jar."""
