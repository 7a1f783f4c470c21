// The classic of the separate build image: the same answer, from one static binary.
package main

import (
	"fmt"
	"net/http"
)

func main() {
	http.HandleFunc("GET /", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(answer, "Hello world!")
	})
	panic(http.ListenAndServe(":8080", nil))
}
