# A certificate authority for the lab, certificates and kubeconfigs of its components. Ten days, then make a new lab.
# shellcheck shell=bash

PKI=$RUN/pki

pki_up() {
  mkdir -p "$PKI"
  new_key ca
  openssl req -x509 -new -key "$PKI/ca.key" -subj /CN=lab-ca -days 10 -out "$PKI/ca.crt" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
  certificate apiserver /CN=kube-apiserver "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,\
DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:$CP_IP,IP:$SVC_FIRST"
  certificate apiserver-kubelet-client /O=system:masters/CN=apiserver-kubelet-client
  certificate front-proxy-client /CN=front-proxy-client
  identity admin /O=system:masters/CN=admin
  identity kcm /CN=system:kube-controller-manager
  identity scheduler /CN=system:kube-scheduler
  identity kube-proxy /CN=system:kube-proxy
  openssl genrsa -out "$PKI/sa.key" 2048 2>/dev/null
  openssl rsa -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub" 2>/dev/null
  install -m 600 "$PKI/admin.kubeconfig" "$KUBECONFIG_FILE"
  # Under sudo the file is for the person who asked.
  [ -z "${SUDO_UID:-}" ] || chown "$SUDO_UID:${SUDO_GID:-0}" "$KUBECONFIG_FILE"
}

# pki_node NODE
pki_node() { identity "$1" "/O=system:nodes/CN=system:node:$1" "DNS:$1,IP:$(node_ip "$1"),IP:127.0.0.1"; }

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/$1.key"; }

# certificate NAME SUBJECT [ALTERNATIVE-NAMES]
certificate() {
  local name=$1 subject=$2 sans=${3:-}
  new_key "$name"
  {
    echo basicConstraints=CA:FALSE
    echo keyUsage=digitalSignature,keyEncipherment
    echo extendedKeyUsage=clientAuth,serverAuth
    [ -z "$sans" ] || echo "subjectAltName=$sans"
  } >"$PKI/$name.ext"
  openssl req -new -key "$PKI/$name.key" -subj "$subject" |
    openssl x509 -req -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -set_serial "0x$(openssl rand -hex 8)" -days 10 \
      -extfile "$PKI/$name.ext" -out "$PKI/$name.crt" 2>/dev/null
  rm "$PKI/$name.ext"
}

# identity NAME SUBJECT [ALTERNATIVE-NAMES]: a certificate and a kubeconfig that uses it.
identity() {
  certificate "$@"
  (
    umask 077
    render "$LAB_DIR/conf/kubeconfig.yaml" SERVER="https://$CP_IP:6443" CONTEXT="$NS" CA="$(base64 -w0 "$PKI/ca.crt")" \
      CERT="$(base64 -w0 "$PKI/$1.crt")" KEY="$(base64 -w0 "$PKI/$1.key")" >"$PKI/$1.kubeconfig"
  )
}
