// mkimage turns a root directory into a docker-archive that `ctr images import` takes.
// usage: mkimage -root DIR -tag NAME:TAG -o OUT.tar [-user U] [-workdir D] [-entrypoint a,b] [-cmd a,b] [-env K=V,...]
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func main() {
	root := flag.String("root", "", "root directory")
	tag := flag.String("tag", "", "name:tag")
	out := flag.String("o", "", "output")
	user := flag.String("user", "", "user")
	wd := flag.String("workdir", "", "working directory")
	ep := flag.String("entrypoint", "", "entrypoint, comma separated")
	cmd := flag.String("cmd", "", "command, comma separated")
	env := flag.String("env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "environment, comma separated")
	flag.Parse()

	var layer bytes.Buffer
	tw := tar.NewWriter(&layer)
	check(filepath.WalkDir(*root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(*root, p)
		if rel == "." {
			return nil
		}
		fi, err := os.Lstat(p)
		if err != nil {
			return err
		}
		link := ""
		if fi.Mode()&fs.ModeSymlink != 0 {
			if link, err = os.Readlink(p); err != nil {
				return err
			}
		}
		h, err := tar.FileInfoHeader(fi, link)
		if err != nil {
			return err
		}
		h.Name = rel
		if fi.IsDir() {
			h.Name += "/"
		}
		h.Uname, h.Gname = "", ""
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		if fi.Mode().IsRegular() {
			f, err := os.Open(p)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = io.Copy(tw, f)
			return err
		}
		return nil
	}))
	check(tw.Close())
	diff := sha(layer.Bytes())
	cfg, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"User": *user, "WorkingDir": *wd, "Entrypoint": split(*ep), "Cmd": split(*cmd), "Env": split(*env)},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + diff}},
	})
	check(err)
	cname := sha(cfg) + ".json"
	man, err := json.Marshal([]map[string]any{{"Config": cname, "RepoTags": []string{*tag}, "Layers": []string{diff + "/layer.tar"}}})
	check(err)
	f, err := os.Create(*out)
	check(err)
	o := tar.NewWriter(f)
	put := func(n string, b []byte) {
		check(o.WriteHeader(&tar.Header{Name: n, Mode: 0o644, Size: int64(len(b)), Typeflag: tar.TypeReg}))
		_, err := o.Write(b)
		check(err)
	}
	put(cname, cfg)
	put(diff+"/layer.tar", layer.Bytes())
	put("manifest.json", man)
	check(o.Close())
	check(f.Close())
}

func sha(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
