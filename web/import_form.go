package web

import (
	"fmt"
	"io"
	"mime/multipart"

	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
)

// maxImportFields is what the form of an import has: four for each service, and some for the file.
const maxImportFields = 4*panel.MaxDrafts + 10

// readImportForm reads what was typed, and the file: the uploaded one, or else the text of the form.
func readImportForm(c echo.Context) (form, panel.ImportFile, error) {
	r := c.Request()
	if err := parseBody(r); err != nil {
		return nil, panel.ImportFile{}, err
	}
	f, err := once(r.PostForm, maxImportFields)
	if err != nil {
		return nil, panel.ImportFile{}, err
	}
	file := panel.ImportFile{Name: f.get("source"), Format: panel.Format(f.get("format")), Text: f.get("text")}
	delete(f, "text") // what is wrong with that is said with its line
	if names := f.flawed(); len(names) > 0 {
		return nil, file, fmt.Errorf("%w: field %q is no text", errBadForm, names[0])
	}
	if r.MultipartForm == nil || len(r.MultipartForm.File) == 0 {
		return f, file, nil
	}
	uploads := r.MultipartForm.File["file"]
	if len(r.MultipartForm.File) != 1 || len(uploads) != 1 {
		return nil, file, fmt.Errorf("%w: files where none belong", errBadForm)
	}
	file.Name = uploads[0].Filename
	file.Text, err = readUpload(uploads[0])
	return f, file, err
}

// readUpload returns what was uploaded, up to a little more than an import may have, so that its size can be refused.
func readUpload(upload *multipart.FileHeader) (string, error) {
	file, err := upload.Open()
	if err != nil {
		return "", err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, panel.MaxImportBytes+1))
	return string(content), err
}
