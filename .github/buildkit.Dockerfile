# The BuildKit of releases, in a Dockerfile because Dependabot updates those.
FROM moby/buildkit:v0.32.2@sha256:28a898719c18a33f4e8000685287fa36fd0dd9560c6440227d3a732d79bb41d8
