package templates

import (
	"bytes"
	"image/color"

	"github.com/charmbracelet/x/ansi"
)

// Bounds of what one sequence may hold: a terminal takes 16 parameters, and none is larger than a colour.
const (
	maxParameters = 64
	maxParameter  = 1 << 16
)

// parameters reads the numbers of an SGR sequence. Each is a list, because "4:3" is a parameter with a part.
func parameters(body []byte) ([][]int, bool) {
	words := bytes.Split(body, []byte(";"))
	if len(words) > maxParameters {
		return nil, false
	}
	list := make([][]int, len(words))
	for i, word := range words {
		for _, part := range bytes.SplitN(word, []byte(":"), maxParameters) {
			n, ok := parameter(part)
			if !ok {
				return nil, false
			}
			list[i] = append(list[i], n)
		}
	}
	return list, true
}

func parameter(digits []byte) (int, bool) {
	n := 0
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = min(n*10+int(c-'0'), maxParameter)
	}
	return n, true
}

// extended reads a colour of the 256 or of the 16 million, in either spelling: as parts of the first parameter or
// as parameters behind it. It sets colour to the nearest of the 16 and returns how many further parameters it used.
func extended(list [][]int, colour *int) (used int) {
	if parts := list[0][1:]; len(parts) > 0 {
		if parts[0] == 2 && len(parts) > 4 { // with the number of a colour space in between
			parts = append([]int{2}, parts[2:]...)
		}
		nearest(parts, colour)
		return 0
	}
	var parts []int
	for _, p := range list[1:min(len(list), 5)] {
		parts = append(parts, p[0])
	}
	return nearest(parts, colour)
}

// nearest returns how many of the parts belong to the colour.
func nearest(parts []int, colour *int) (used int) {
	switch {
	case len(parts) >= 2 && parts[0] == 5:
		*colour = int(ansi.Convert16(ansi.IndexedColor(parts[1]&0xff))) + 1
		return 2
	case len(parts) >= 4 && parts[0] == 2:
		rgb := color.RGBA{uint8(parts[1]), uint8(parts[2]), uint8(parts[3]), 0xff}
		*colour = int(ansi.Convert16(rgb)) + 1
		return 4
	}
	return len(parts)
}
