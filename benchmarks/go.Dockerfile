# The classic pair: a Go server in the image that builds it, and the binary alone.
FROM golang:1.24 AS full
WORKDIR /src
COPY server.go .
# Without the cache mount, each change would compile the standard library again.
RUN --mount=type=cache,target=/root/.cache/go-build \
    go mod init hello && CGO_ENABLED=0 go build -ldflags="-s -w" -o /server
CMD ["/server"]

FROM scratch
COPY --from=full /server /server
CMD ["/server"]
