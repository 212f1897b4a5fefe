"""The Kubernetes operator for `DbtStateServer` resources; it joins this package later. Nothing here imports the server."""
