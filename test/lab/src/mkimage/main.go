// mkimage turns a root directory into a docker-archive that `ctr images import` takes.
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// image is what a person says of an image.
type image struct {
	root       string
	tag        string
	user       string
	workdir    string
	entrypoint string
	command    string
	env        string
}

func main() {
	var img image
	flag.StringVar(&img.root, "root", "", "directory with the image's files")
	flag.StringVar(&img.tag, "tag", "", "name:tag")
	flag.StringVar(&img.user, "user", "", "uid:gid of its processes")
	flag.StringVar(&img.workdir, "workdir", "", "working directory")
	flag.StringVar(&img.entrypoint, "entrypoint", "", "entrypoint, comma separated")
	flag.StringVar(&img.command, "cmd", "", "command, comma separated")
	flag.StringVar(&img.env, "env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"environment, comma separated")
	out := flag.String("o", "", "archive to write")
	flag.Parse()
	if err := write(img, *out); err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

// write makes the archive: a config, one layer, and a manifest that names both.
func write(img image, out string) error {
	layer, err := layerOf(img.root)
	if err != nil {
		return err
	}
	diffID := digest(layer)
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{
			"User": img.user, "WorkingDir": img.workdir,
			"Entrypoint": words(img.entrypoint), "Cmd": words(img.command), "Env": words(img.env),
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + diffID}},
	})
	if err != nil {
		return err
	}
	configName, layerName := digest(config)+".json", diffID+"/layer.tar"
	manifest, err := json.Marshal([]map[string]any{
		{"Config": configName, "RepoTags": []string{img.tag}, "Layers": []string{layerName}},
	})
	if err != nil {
		return err
	}
	return archive(out, []file{{configName, config}, {layerName, layer}, {"manifest.json", manifest}})
}

type file struct {
	name string
	data []byte
}

func archive(out string, files []file) error {
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close()
	tw := tar.NewWriter(f)
	for _, file := range files {
		header := &tar.Header{Name: file.name, Mode: 0o644, Size: int64(len(file.data)), Typeflag: tar.TypeReg}
		if err := tw.WriteHeader(header); err != nil {
			return err
		}
		if _, err := tw.Write(file.data); err != nil {
			return err
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return f.Close()
}

// layerOf is the directory as an uncompressed tar.
func layerOf(root string) ([]byte, error) {
	var layer bytes.Buffer
	tw := tar.NewWriter(&layer)
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		return add(tw, root, path)
	})
	if err != nil {
		return nil, err
	}
	err = tw.Close()
	return layer.Bytes(), err
}

// add writes one entry. Owners are numbers: their names mean nothing in the image.
func add(tw *tar.Writer, root, path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	if header.Name, err = filepath.Rel(root, path); err != nil {
		return err
	}
	if info.IsDir() {
		header.Name += "/"
	}
	header.Uname, header.Gname = "", ""
	if err := tw.WriteHeader(header); err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(tw, f)
	return err
}

func words(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
