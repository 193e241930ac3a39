"""The faces: HTTP. They parse, ask a service, and answer."""
