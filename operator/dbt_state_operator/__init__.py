"""The Kubernetes operator for `DbtStateServer` resources. Its parts come with the operator itself; nothing here imports the server."""
